"""Random questions, and every statement of their answers asked again.

    python experiments/asked_again/run.py --questions 40 --seed 1

One question has one answer: what `recommend` says of a candidate, of one GPU more or fewer, of a wider bound
is compared with what `estimate`, `predict`, `compare` and `recommend` say when they are asked. So is the pick
as a point of an experiment, with its page, its DGD and its simulation (`--only swept`).
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asked_again.asking import Statement, ask, document_of
from asked_again.questions import random_question
from asked_again.refusals import refusal_statements
from asked_again.statements import CHECKS, Checks, statements


def checked(words: list[str], checks: Checks = CHECKS) -> list[Statement]:
    """Every statement of the answer to one question."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        answer = ask("recommend", *words, "-o", folder, "--details")
        if answer.status == 2:
            return list(refusal_statements(words, answer))
        return list(statements((words, answer, document_of(folder), folder), checks))


def main() -> None:
    """Ask, check, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="checks whose name holds this, such as swept")
    chosen = parser.parse_args()
    checks = tuple(check for check in CHECKS if (chosen.only or "") in check.__name__)
    made, failed = Counter[str](), Counter[str]()
    for number in range(chosen.seed, chosen.seed + chosen.questions):
        words = random_question(random.Random(number))  # noqa: S311
        print(f"{number}: simkit recommend {' '.join(words)}", flush=True)
        for statement in checked(words, checks):
            made[statement.kind] += 1
            if statement.kind == "refusal" and not statement.again:
                print(f"  refused: {statement.said}", flush=True)
            if not statement.holds:
                failed[statement.kind] += 1
                print(f"  {statement}", flush=True)
    for kind, count in sorted(made.items()):
        print(f"{kind}: {count} statements, {failed[kind]} do not hold")
    print(f"all: {made.total()} statements of {chosen.questions} questions, {failed.total()} do not hold")


if __name__ == "__main__":
    main()
