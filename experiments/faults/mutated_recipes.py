"""Damage public deployment files and launch commands many times over, and read each: no traceback may come.

    python experiments/faults/mutated_recipes.py dynamo.git recipes.git --count 200000

The inputs are those of experiments/reading/survey.py. A failure prints the seed, with which `--seed N
--count 1` repeats it.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from faults.mutations.documents import mutate, mutate_text  # noqa: E402
from faults.mutations.words import mutated_words  # noqa: E402
from reading.survey import Input, inputs  # noqa: E402

from simkit.core.errors import SimkitError  # noqa: E402
from simkit.formats.dgd.read import catalogue_hint, parse_dgd  # noqa: E402
from simkit.formats.engine_command.read import parse_command  # noqa: E402
from simkit.formats.validate import validate_documents  # noqa: E402
from simkit.io.yamlio import parse_documents  # noqa: E402

TEXT_SHARE = 0.3
PROGRESS = 10_000
LONGEST_MESSAGE = 200_000


def read_damaged(item: Input, documents: list[Any], rng: random.Random) -> None:
    """One mutation of one input, read; SimkitError where it is refused."""
    if item.kind != "DGD":
        parse_command(mutated_words(item.text, rng))
        return
    if documents and rng.random() > TEXT_SHARE:
        damaged: list[Any] = list(documents)
        where = rng.randrange(len(damaged))
        if isinstance(damaged[where], dict):
            damaged[where] = mutate(damaged[where], rng, [one for one in documents if isinstance(one, dict)])
    else:
        damaged = parse_documents(mutate_text(item.text, rng), "mutated.yaml")
    for fault in validate_documents(damaged, "mutated"):
        check_message(str(fault))
    parse_dgd(damaged, source="mutated", hint_of=catalogue_hint)


def check_message(message: str) -> None:
    """One line of readable length."""
    odd = [char for char in message if ord(char) < 32 or ord(char) == 127]
    if odd or len(message) > LONGEST_MESSAGE:
        raise AssertionError(f"a message of {len(message)} characters with {odd[:5]!r}: {message[:200]!r}")


def _documents(item: Input) -> list[Any]:
    try:
        return list(parse_documents(item.text, item.name)) if item.kind == "DGD" else []
    except SimkitError:
        return []


def run(found: list[Input], seeds: range, until: float) -> tuple[Counter[str], list[int]]:
    """Counts of outcomes, and the seeds that broke a promise; stops at the time given."""
    seen: Counter[str] = Counter()
    broken: list[int] = []
    documents = [_documents(item) for item in found]
    for seed in seeds:
        if time.monotonic() > until:
            break
        if seed % PROGRESS == 0:
            print(f"at seed {seed:,}: {len(broken)} broken", file=sys.stderr, flush=True)
        rng = random.Random(seed)  # noqa: S311 (chance, not secrecy)
        place = rng.randrange(len(found))
        try:
            read_damaged(found[place], documents[place], rng)
            seen["read"] += 1
        except SimkitError as error:
            seen["refused"] += 1
            try:
                check_message(str(error))
            except AssertionError as odd:
                broken.append(seed)
                print(f"seed {seed} ({found[place].name}): {odd}", flush=True)
        except Exception as error:  # noqa: BLE001 (that any is a failure is the point)
            broken.append(seed)
            print(
                f"seed {seed} ({found[place].name}): {type(error).__name__}: {str(error)[:300]}", flush=True
            )
            if len(broken) <= 20:
                traceback.print_exc(limit=-4)
    return seen, broken


def main() -> int:
    """Mutate the inputs of the repositories given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation; each has its own")
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after this time")
    given = parser.parse_args()
    found = [item for repository in given.repositories for item in inputs(repository)]
    started = time.monotonic()
    seeds = range(given.seed, given.seed + given.count)
    seen, broken = run(found, seeds, started + given.minutes * 60)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.items()))
    total = sum(seen.values()) + len(broken)
    print(f"{total:,} mutations of {len(found)} inputs in {time.monotonic() - started:,.0f} s: {outcomes}")
    print(f"{len(broken)} broke a promise" + (f": seeds {broken[:20]}" if broken else ""))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
