"""Mutate valid requests many times over and print what became of them and which branches were reached.

    python experiments/faults/mutated_dgdrs.py --count 200000

A failure prints the seed, with which `--seed N --count 1` repeats it. The documents come from
experiments/guide and experiments/faults/seeds.
"""

import argparse
import io
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE.parent)]

SEEDS = (*sorted((ROOT / "experiments" / "guide").glob("*.yaml")), *sorted((HERE / "seeds").glob("*.yaml")))
READERS = ("simkit/formats/dgdr/*.py", "simkit/formats/faults.py", "simkit/io/yamlio.py")
TEXT_SHARE = 0.15
PROGRESS = 10_000


def run(count: int, first_seed: int) -> tuple[Counter[str], list[int]]:
    """Counts of outcomes, and the seeds that broke a promise; each mutation has a seed of its own."""
    from faults.mutations.documents import mutate, mutate_text
    from faults.promises import check_document, check_text

    from simkit.io.yamlio import load_document

    texts = [path.read_text(encoding="utf-8") for path in SEEDS]
    documents = [load_document(path) for path in SEEDS]
    seen: Counter[str] = Counter()
    broken: list[int] = []
    for seed in range(first_seed, first_seed + count):
        if seed % PROGRESS == 0:
            print(f"at seed {seed:,}: {len(broken)} broken", file=sys.stderr)
        rng = random.Random(seed)  # noqa: S311 (chance, not secrecy)
        place = rng.randrange(len(SEEDS))
        try:
            if rng.random() < TEXT_SHARE:
                check_text(mutate_text(texts[place], rng), seen)
            else:
                check_document(mutate(documents[place], rng, documents), seen)
        except Exception as error:  # noqa: BLE001 (that any is a failure is the point)
            broken.append(seed)
            if len(broken) <= 5:
                print(f"seed {seed}: {type(error).__name__}: {str(error)[:400]}")
                traceback.print_exc(limit=-4)
    return seen, broken


def main() -> int:
    """Run, the first mutations under the branch counter, then print what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation; each has its own")
    parser.add_argument("--traced", type=int, default=10_000, help="mutations whose branches are counted")
    options = parser.parse_args()
    traced = min(options.traced, options.count)
    started = time.monotonic()
    seen, broken = run_traced(traced, options.seed) if traced else (Counter(), [])
    more, also = run(options.count - traced, options.seed + traced)
    seen, broken = seen + more, broken + also
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.items()))
    print(f"{options.count:,} mutations in {time.monotonic() - started:,.0f} s: {outcomes}")
    print(f"{len(broken)} broke a promise" + (f": seeds {broken[:20]}" if broken else ""))
    return 1 if broken else 0


def run_traced(count: int, first_seed: int) -> tuple[Counter[str], list[int]]:
    """As run, five times slower, with the table of branches that the readers took."""
    import coverage

    include = [str(ROOT / path) for path in READERS]
    cover = coverage.Coverage(branch=True, data_file=None, include=include)
    cover.start()
    outcome = run(count, first_seed)
    cover.stop()
    table = io.StringIO()
    cover.report(file=table, show_missing=True)
    print(table.getvalue().replace(f"{ROOT}/", ""))
    return outcome


if __name__ == "__main__":
    sys.exit(main())
