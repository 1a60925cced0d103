"""Which points of a run are meant: best, knee, pareto, id=..., or a condition."""

from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.core.errors import InputError, nearest
from simkit.core.words import counted
from simkit.experiments.columns import PREFIX, Do
from simkit.experiments.conditions import missing, parse_condition
from simkit.experiments.document import result_names
from simkit.search.picking import knee

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("best", "knee", "pareto", "id=POINT", "a condition such as 'tp == 4'")


def selected(frame: "pd.DataFrame", do: Do, text: str) -> "pd.DataFrame":
    """The rows that a selection names, in order. Raises InputError where there is none.

    best: the highest output per GPU of those that hold the SLA, where one is asked for. pareto: the front of
    output per GPU against speed per user; knee: the point of it from which both fall off.
    """
    word = text.strip()
    if word.startswith("id="):
        return _by_id(frame, word[3:].strip())
    usable = frame[(frame["error"] == "").to_numpy()].reset_index(drop=True)
    if not len(usable):
        raise InputError("no point has a result; `simkit experiment status` says why")
    if word.startswith("where ") or not word.isidentifier() or word in result_names(do):
        return _where(usable, do, word.removeprefix("where "))
    if word == "best":
        return _best(usable, do)
    if word in ("pareto", "knee"):
        return _front(usable, do, at_knee=word == "knee")
    hints = nearest(word, ("best", "knee", "pareto"), count=1)
    remedy = f"did you mean {hints[0]}?" if hints else f"write one of {', '.join(WORDS)}"
    raise InputError(f"--select {word!r}: not understood; {remedy}")


def _by_id(frame: "pd.DataFrame", wanted: str) -> "pd.DataFrame":
    points = frame["point"].astype(str)
    rows = frame[points.str.startswith(wanted).to_numpy()] if wanted else frame.iloc[:0]
    if len(rows) != 1:
        found = "no point" if not len(rows) else counted(len(rows), "point")
        raise InputError(f"--select id={wanted}: {found} by that; copy a whole one of the column `point`")
    if rows.iloc[0]["error"]:
        raise InputError(f"--select id={wanted}: has no result ({rows.iloc[0]['error']}); take another point")
    return rows


def _where(usable: "pd.DataFrame", do: Do, text: str) -> "pd.DataFrame":
    rows = usable[parse_condition(text, result_names(do)).holds(usable)]
    if not len(rows):
        raise InputError(f"--select 'where {text}': holds for none of {len(usable)} points; loosen it")
    return rows


def holding(usable: "pd.DataFrame") -> np.ndarray:
    """Which rows hold the SLA and are not overloaded: a short run may hold what a longer one would not."""
    meets, over = usable["meets_sla"].to_numpy(dtype=object), usable["overloaded"].to_numpy(dtype=object)
    asked = ~missing(meets)
    kept: np.ndarray = (~asked | np.equal(meets, True)) & ~np.equal(over, True)
    return kept


def _best(usable: "pd.DataFrame", do: Do) -> "pd.DataFrame":
    rows = usable[holding(usable)]
    if not len(rows):
        told = f"none of {len(usable)} points holds the SLA"
        raise InputError(f"--select best: {told}; loosen it, or take another selection")
    at = int(np.argmax(rows[f"{PREFIX[do]}output_tokens_per_s_per_gpu"].to_numpy(dtype=np.float64)))
    return rows.iloc[[at]]


def _front(usable: "pd.DataFrame", do: Do, *, at_knee: bool) -> "pd.DataFrame":
    per_user, per_gpu = (
        usable[f"{PREFIX[do]}{name}"].to_numpy(dtype=np.float64)
        for name in ("tokens_per_s_per_user", "output_tokens_per_s_per_gpu")
    )
    able = np.flatnonzero(np.isfinite(per_user) & np.isfinite(per_gpu) & (per_gpu > 0))
    order = able[np.lexsort((-per_gpu[able], -per_user[able]))]
    best = np.maximum.accumulate(per_gpu[order]) if len(order) else np.array([])
    first = np.concatenate([[True], best[1:] > best[:-1]]) if len(order) else np.array([], dtype=bool)
    front: Any = order[first][::-1]
    if not len(front):
        raise InputError("no point decodes more than one token; there is no front")
    if not at_knee:
        chosen: pd.DataFrame = usable.iloc[front]
        return chosen
    place = knee(per_user[front], per_gpu[front])
    if place is None:
        raise InputError(f"--select knee: the front of {len(front)} points has none; select pareto or best")
    return usable.iloc[[front[place]]]
