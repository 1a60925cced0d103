"""What differs between two deployments, requests or recommendations, in settings, figures and operators."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.core.words import counted
from simkit.reports.document import plain
from simkit.reports.labels import layout_label
from simkit.verbs.compare_sides import Document, Side

# --- Which operators account for a difference between two deployments.


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


LATENCIES = ("ttft_ms", "itl_ms", "e2e_ms")
PRICED = "cost_per_million_output_tokens"
FIGURES = (
    "concurrency", "output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user",
    "request_rate_per_s", "kv_capacity_tokens", "sla_probability", PRICED,
)  # fmt: skip
SIMULATED = (
    "simulated.ttft_ms.mean", "simulated.ttft_ms.p99", "simulated.itl_ms.mean", "simulated.itl_ms.p99",
    "simulated.output_tokens_per_s_per_gpu", "simulated.goodput_per_s",
)  # fmt: skip
_QUESTION = ("model", "hardware", "workload", "sla", "sla_statistics", "modes")
_SAME_LOAD = 0.01


def compare(one: Side, other: Side) -> Document:
    """The content of `compare --format json`; changes are fractions of the first."""
    figures = [*_latencies(one, other), *_figures(one, other)]
    operators = operator_rows(one.operators, other.operators)
    found: Document = plain({
        "a": _head(one),
        "b": _head(other),
        "question": _asked(one, other),
        "settings": _settings(one.candidate, other.candidate),
        "figures": figures,
        "operators": operators,
        "why": reasons(figures, operators),
        "notes": [*one.notes, *other.notes, *_load_note(one, other)],
    })  # fmt: skip
    return found


def _head(side: Side) -> Document:
    return {
        "name": side.name,
        "kind": side.kind,
        "layout": layout_label(side.candidate),
        "meets_sla": side.candidate.get("meets_sla"),
        "bottleneck": side.candidate["bottleneck"],
        "has_operators": bool(side.operators),
    }


def _asked(one: Side, other: Side) -> list[Document]:
    """Of what both were asked: a deployment was given neither a number of GPUs nor modes."""
    given = [_flat(side.question) for side in (one, other)]
    found = _differences(one.question, other.question, _QUESTION)
    return [row for row in found if row["path"] in given[0] and row["path"] in given[1]]


def _differences(one: Document, other: Document, names: tuple[str, ...]) -> list[Document]:
    sides = [_flat({name: side[name] for name in names if name in side}) for side in (one, other)]
    paths = dict.fromkeys((*sides[0], *sides[1]))
    pairs = [(path, sides[0].get(path), sides[1].get(path)) for path in paths]
    return [{"path": path, "a": a, "b": b} for path, a, b in pairs if a != b]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {path: value}
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{path}.{name}" if path else str(name))
    return found


def _settings(one: Document, other: Document) -> list[Document]:
    """Where one is aggregated and the other not, its engine stands in both roles: it serves both phases."""
    names: tuple[str, ...] = ("replicas", "plan", "engine")
    if one["mode"] != other["mode"] or one["mode"] != "agg":
        one, other = _by_role(one), _by_role(other)
        names = ("prefill", "decode")
    return _differences(one, other, ("backend", "mode", "num_gpus", *names))


def _by_role(candidate: Document) -> Document:
    if candidate["mode"] != "agg":
        return candidate
    pool = {"workers": candidate["replicas"], "plan": candidate["plan"], "engine": candidate["engine"]}
    return {**candidate, "prefill": pool, "decode": pool}


def _latencies(one: Side, other: Side) -> list[Document]:
    """Means; sure: the 90 % intervals do not overlap."""
    rows = []
    for name in LATENCIES:
        a, b = one.candidate[name], other.candidate[name]
        apart = None not in (a["lo"], b["lo"], a["hi"], b["hi"]) and (a["hi"] < b["lo"] or b["hi"] < a["lo"])
        rows.append(_row(name, a["mean"], b["mean"]) | {"sure": apart})
    return rows


def _figures(one: Side, other: Side) -> list[Document]:
    pairs = [(name, one.candidate.get(name), other.candidate.get(name)) for name in FIGURES]
    pairs += [(name, _simulated(one, name), _simulated(other, name)) for name in SIMULATED]
    unpriced = [name for name, a, b in pairs if name == PRICED and None in (a, b)]  # of no use beside none
    known = [pair for pair in pairs if pair[1] is not None or pair[2] is not None]
    return [_row(*pair) for pair in known if pair[0] not in unpriced]


def _simulated(side: Side, name: str) -> float | None:
    """A figure of a finalist that was simulated, by its path; None where it was not."""
    found: Any = side.candidate
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def _row(name: str, a: float | None, b: float | None) -> Document:
    change = b / a - 1.0 if a and b is not None else None
    return {"metric": name, "a": a, "b": b, "change": change}


def _load_note(one: Side, other: Side) -> list[str]:
    a, b = (side.candidate.get("concurrency") for side in (one, other))
    if not a or not b or abs(b / a - 1.0) <= _SAME_LOAD:
        return []
    return [
        f"the loads differ: {counted(a, 'request in flight')} against {b:,.0f}; "
        "so does what follows from them"
    ]
