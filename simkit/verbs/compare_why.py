"""Which operators account for a difference between two deployments."""

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]

_NAMED = 3  # operators in a sentence
_ALIKE = 0.005  # steps closer than this are the same


def operator_rows(one: Sequence[Document], other: Sequence[Document]) -> list[Document]:
    """Time of each operator in a step on both sides, largest change first; empty where one side has none."""
    if not (one and other):
        return []
    sides = [{(line["phase"], line["operator"]): line["time_ms"] for line in side} for side in (one, other)]
    rows = []
    for phase, operator in dict.fromkeys((*sides[0], *sides[1])):
        a, b = (side.get((phase, operator), 0.0) for side in sides)
        rows.append({"phase": phase, "operator": operator, "a_ms": a, "b_ms": b, "change_ms": b - a})
    return sorted(rows, key=lambda row: -abs(row["change_ms"]))


def reasons(figures: Sequence[Document], operators: Sequence[Document]) -> list[str]:
    """One sentence a phase: how long a step takes on both sides, and the operators behind the change.

    And one on TTFT beyond its prefill step: waiting, chunks, handover.
    """
    found = [_phase(phase, operators) for phase in ("prefill", "decode") if operators]
    return [*found, *_beyond_the_step(figures, operators)]


def _phase(phase: str, operators: Sequence[Document]) -> str:
    rows = [row for row in operators if row["phase"] == phase]
    a, b = (sum(row[key] for row in rows) for key in ("a_ms", "b_ms"))
    head = f"a {phase} step takes {_ms(a)} against {_ms(b)}"
    if abs(b - a) <= _ALIKE * max(a, b):
        return f"{head}: no difference to speak of"
    named = ", ".join(f"{row['operator']} {row['change_ms']:+.3g}" for row in rows[:_NAMED])
    return f"{head} ({b - a:+.3g}): {named}"


def _beyond_the_step(figures: Sequence[Document], operators: Sequence[Document]) -> list[str]:
    ttft = next(row for row in figures if row["metric"] == "ttft_ms")
    if not operators or ttft["a"] is None or ttft["b"] is None:
        return []
    steps = [sum(row[key] for row in operators if row["phase"] == "prefill") for key in ("a_ms", "b_ms")]
    rest = [ttft["a"] - steps[0], ttft["b"] - steps[1]]
    if min(rest) < 0 or abs(rest[1] - rest[0]) <= _ALIKE * max(ttft["a"], ttft["b"]):
        return []
    return [
        f"beyond one prefill step, TTFT holds {_ms(rest[0])} against {_ms(rest[1])}: waiting, further "
        "chunks of the prompt, handover"
    ]


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"
