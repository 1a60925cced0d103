"""A gate for deployments: conditions that every point must keep, and a baseline to be no worse than.

Worse is a figure that is worse by more than a share, ten per cent unless told otherwise, and by more than
the noise. Predictions by closed form have none. Simulated points have that of their repeats: means are
compared, and a difference counts beyond the 95 % range of Student's t.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.core.errors import InputError
from simkit.experiments.columns import AXES, PREFIX, Do
from simkit.experiments.conditions import missing, parse_condition

if TYPE_CHECKING:
    import pandas as pd

# Whether more of it is worse.
WORSE_IF_MORE = {
    "ttft_ms_mean": True, "itl_ms_mean": True, "e2e_ms_mean": True, "output_tokens_per_s_per_gpu": False,
    "cost_per_million_output_tokens": True,
}  # fmt: skip
_SAME = [name for name in AXES if name != "repeat"]
# Two-sided 95 % of Student's t by degrees of freedom, from one on; beyond, that of the last.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
_WORDS = ("model", "gpu", "backend", "plan", "isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What must hold: conditions on points; how much worse than a baseline a figure may be."""

    require: tuple[str, ...] = ()
    worse_frac: float = 0.10
    metrics: tuple[str, ...] = tuple(WORSE_IF_MORE)

    def __post_init__(self) -> None:
        if not 0.0 <= self.worse_frac < 10.0:
            raise InputError(f"--worse must be from 0 to 10 (a share: 0.1 is 10 %), got {self.worse_frac:g}")
        for name in self.metrics:
            if name not in WORSE_IF_MORE:
                raise InputError(
                    f"--metric {name!r}: not compared; expected one of {', '.join(WORSE_IF_MORE)}"
                )


def gate_document(run: "pd.DataFrame", baseline: "pd.DataFrame | None", rules: GateRules) -> dict[str, Any]:
    """What the gate finds; `passed` is the verdict. Raises InputError where nothing is asked."""
    if not rules.require and baseline is None:
        raise InputError("nothing is asked of the run; add --require CONDITION or --baseline RUN")
    requirements = [_requirement(run, text) for text in rules.require]
    failed = int((run["error"] != "").sum())
    found: dict[str, Any] = {"points": len(run), "without_result": failed, "requirements": requirements}
    passed = all(item["holds"] for item in requirements)
    if baseline is not None:
        found |= _compared(run, baseline, rules)
        passed &= not found["worse"] and not found["gone"]
    return {"passed": bool(passed), **found}


def _who(frame: "pd.DataFrame") -> Do:
    kinds: tuple[Do, ...] = ("benchmark", "simulate")
    return next((do for do in kinds if f"{PREFIX[do]}ttft_ms_mean" in frame), "predict")


def _requirement(run: "pd.DataFrame", text: str) -> dict[str, Any]:
    """Points that a condition holds for; those without a result keep none."""
    prefix = PREFIX[_who(run)]
    short = {str(name).removeprefix(prefix): str(name) for name in run if str(name).startswith(prefix)}
    condition = parse_condition(text, {**short, **{str(name): str(name) for name in run}})
    kept = condition.holds(run) & (run["error"] == "").to_numpy()
    broken = run[~kept]
    return {
        "condition": text,
        "holds": not len(broken),
        "broken": len(broken),
        "points": [_told(row) for _, row in broken.head(20).iterrows()],
    }


def _told(row: "pd.Series[Any]") -> dict[str, Any]:
    stated = {name: row[name] for name in _WORDS if name in row.index and not missing(row[name])}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in stated.items()}
    return {"point": row["point"], **plain, **({"error": row["error"]} if row["error"] else {})}


def _compared(run: "pd.DataFrame", baseline: "pd.DataFrame", rules: GateRules) -> dict[str, Any]:
    if _who(run) != _who(baseline):
        raise InputError("one of run and baseline is simulated, the other predicted; compare like with like")
    ours, theirs = _groups(run), _groups(baseline)
    both = [key for key in theirs if key in ours]
    if not both:
        raise InputError("run and baseline have no point in common; give a baseline of the same experiment")
    worse, better, quiet = [], 0, 0
    for key in both:
        for metric in rules.metrics:
            change = _change(ours[key], theirs[key], f"{PREFIX[_who(run)]}{metric}")
            if change is None:
                continue
            bad = change["change"] if WORSE_IF_MORE[metric] else -change["change"]
            beyond = abs(change["after"] - change["before"]) > change["noise"]
            if bad > rules.worse_frac and beyond:
                worse.append({**_told(ours[key].iloc[0]), "metric": metric, **change})
            better += bad < -rules.worse_frac and beyond
            quiet += abs(bad) > rules.worse_frac and not beyond
    gone = [
        _told(theirs[key].iloc[0]) for key in theirs if _usable(theirs[key]) and not _usable(ours.get(key))
    ]
    return {
        "compared": len(both), "new": len(ours) - len(both), "gone": gone, "better": int(better),
        "within_noise": int(quiet), "worse_frac": rules.worse_frac,
        "worse": sorted(worse, key=lambda item: -abs(item["change"])),
    }  # fmt: skip


def _groups(frame: "pd.DataFrame") -> "dict[tuple[str, ...], pd.DataFrame]":
    """Points by what they state; repeats of one simulation together."""
    columns = [name for name in _SAME if name in frame]
    return {
        tuple(map(str, key)): group
        for key, group in frame.groupby([_texts(frame[name]) for name in columns], sort=False)
    }


def _texts(values: "pd.Series[Any]") -> np.ndarray:
    """One text for a value however it was stored: 4 and 4.0 are one."""
    found = [
        ""
        if missing(value)
        else f"{float(value):g}"
        if isinstance(value, int | float | np.number)
        else str(value)
        for value in values
    ]
    return np.array(found, dtype=object)


def _usable(group: "pd.DataFrame | None") -> bool:
    return group is not None and bool((group["error"] == "").any())


def _change(ours: "pd.DataFrame", theirs: "pd.DataFrame", column: str) -> dict[str, float] | None:
    """Means before and after, the relative change, and how large a difference noise makes."""
    if column not in ours or column not in theirs:
        return None
    after, before = (_known(group, column) for group in (ours, theirs))
    if not len(after) or not len(before) or not before.mean():
        return None
    change = float(after.mean() / before.mean() - 1.0)
    noise = _noise(after, before)
    return {"before": float(before.mean()), "after": float(after.mean()), "change": change, "noise": noise}


def _known(group: "pd.DataFrame", column: str) -> np.ndarray:
    values = group.loc[(group["error"] == "").to_numpy(), column].to_numpy(dtype=np.float64)
    found: np.ndarray = values[np.isfinite(values)]
    return found


def _noise(after: np.ndarray, before: np.ndarray) -> float:
    freedom = len(after) + len(before) - 2
    if freedom < 1:
        return 0.0
    squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (after, before))
    spread = math.sqrt(squares / freedom * (1 / len(after) + 1 / len(before)))
    return _T[min(freedom, len(_T)) - 1] * spread


def gate_lines(found: dict[str, Any], limits: Sequence[str] = ()) -> list[str]:
    """The same for people, the verdict first."""
    lines = ["passed" if found["passed"] else "NOT passed"]
    for item in found["requirements"]:
        told = "holds" if item["holds"] else f"broken by {item['broken']:,} of {found['points']:,} points"
        lines.append(f"{item['condition']}: {told}")
        lines += [f"  {_words(point)}" for point in item["points"][:3]]
    if "compared" in found:
        counts = (
            f"{len(found['worse'])} worse, {found['better']} better, {found['within_noise']} within noise"
        )
        lines.append(f"baseline: {found['compared']:,} points compared, {counts}, {found['new']} new")
        lines += [
            f"  {_words(item)}: {item['metric']} {item['before']:.4g} -> {item['after']:.4g} "
            f"({item['change']:+.1%})"
            for item in found["worse"][:5]
        ]
        lines += [f"  no result any more: {_words(item)}" for item in found["gone"][:3]]
    return [*lines, *limits]


def _words(point: dict[str, Any]) -> str:
    return " ".join(f"{name}={point[name]}" for name in _WORDS if name in point)
