"""Adaptive refinement: points near the Pareto front and near the bounds, until nothing better can be missed.

An axis with an order is divided into cells. Along it every figure is taken to rise or to fall, so that none
inside a cell is better than the best of its corners. A cell whose best corner values would still lie below
what is known is left alone; any other is halved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.experiments.columns import PREFIX, Do, column_of
from simkit.experiments.conditions import Condition, parse_condition
from simkit.experiments.document import result_names
from simkit.experiments.document_model import ExperimentDocument
from simkit.experiments.lattice import Cells, Lattice, lattice_of
from simkit.experiments.points import PointBlock, Space, blocks_at

if TYPE_CHECKING:
    import pandas as pd

_HOLDS = "meets_sla"  # what is best of is asked where no report says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What must not be missed: the front of every group of `by`, and the best point of each row of a table.

    within is how much better a missed point may be, as a share. best is a result, highest or lowest.
    """

    do: Do
    by: tuple[str, ...]
    within: float
    front: bool
    rows: tuple[str, ...] = ()
    best: str = "output_tokens_per_s_per_gpu"
    least: bool = False
    where: Condition | None = None

    @property
    def axes(self) -> tuple[str, str]:
        """Columns of the front."""
        prefix = PREFIX[self.do]
        return f"{prefix}tokens_per_s_per_user", f"{prefix}output_tokens_per_s_per_gpu"


def aim_of(document: ExperimentDocument) -> Aim | None:
    """What an experiment must not miss; None where all its points are asked."""
    rule, report = document.refine, document.report
    if rule is None:
        return None
    same = Aim(do=document.do, by=tuple(rule.by), within=rule.within, front=rule.front)
    known = result_names(document.do)
    if report is None:
        return replace(same, rows=same.by, where=parse_condition(_HOLDS, known))
    where = parse_condition(report.where, known) if report.where else None
    rows = tuple(column_of(name, document.do) for name in report.by)
    return replace(same, rows=rows, best=report.best, least=report.least, where=where)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known at the places of one grid: NaN where nothing is, or no result."""

    figures: np.ndarray  # [place, (per user, per GPU, best with its sign)]
    holds: np.ndarray  # [place]: whether the table would take it
    asked: np.ndarray  # [place]
    groups: np.ndarray  # [place, (front, table)]


@dataclass(slots=True, kw_only=True)
class Refinement:
    """Rounds of blocks; each follows from the results of those before."""

    space: Space
    aim: Aim
    _lattices: list[Lattice] = field(init=False)
    _cells: list[Cells] = field(init=False)
    _known: list[_Known] = field(init=False)
    _ids: dict[Any, int] = field(init=False, default_factory=dict)
    _index: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        apart = (*self.aim.by, *self.aim.rows)
        self._lattices = [lattice_of(grid, apart) for grid in self.space.grids]
        self._cells = [lattice.first_cells() for lattice in self._lattices]
        self._known = [_nothing(lattice.most) for lattice in self._lattices]

    def rounds(self) -> Iterator[Sequence[PointBlock]]:
        """Blocks to evaluate; `take` their results before the next round is asked for."""
        while True:
            blocks = [block for number in range(len(self._lattices)) for block in self._wanted(number)]
            if not any(len(cells) for cells in self._cells):
                return
            yield blocks
            fronts, tops = self._fronts(), self._tops()
            for number, lattice in enumerate(self._lattices):
                open_ = self._open(number, fronts, tops)
                self._cells[number] = lattice.divided(self._cells[number][open_])

    def _wanted(self, number: int) -> list[PointBlock]:
        """Blocks of the corners that were not asked yet."""
        lattice, known = self._lattices[number], self._known[number]
        if not len(self._cells[number]):
            return []
        places = np.unique(lattice.corners(self._cells[number]))
        places = places[~known.asked[places]]
        known.asked[places] = True
        found = list(blocks_at(self.space, number, places, self._index))
        self._index += -(-len(places) // self.space.size)
        return found

    def take(self, block: PointBlock, table: "pd.DataFrame") -> None:
        """Keep the figures of a block's points."""
        known, aim = self._known[block.grid], self.aim
        usable = (table["error"] == "").to_numpy(dtype=bool)
        names = (*aim.axes, column_of(aim.best, aim.do))
        figures = np.column_stack([table[name].to_numpy(dtype=np.float64) for name in names])
        figures[:, 2] *= -1.0 if aim.least else 1.0
        figures[~usable] = np.nan
        known.figures[block.places] = figures
        known.holds[block.places] = usable & (aim.where.holds(table) if aim.where else True)
        for column, by in enumerate((aim.by, aim.rows)):
            known.groups[block.places, column] = self._groups(table, by)

    def _groups(self, table: "pd.DataFrame", by: Sequence[str]) -> np.ndarray:
        keys = zip(*(table[name].astype(str) for name in by), strict=True) if by else [()] * len(table)
        return np.array([self._ids.setdefault((by, key), len(self._ids)) for key in keys], dtype=np.int64)

    def _fronts(self) -> Mapping[int, np.ndarray]:
        """Points [point, 2] of the front of every group."""
        figures = np.concatenate([known.figures for known in self._known])
        groups = np.concatenate([known.groups[:, 0] for known in self._known])
        usable = np.isfinite(figures[:, :2]).all(axis=1)
        return {
            int(group): pareto_front(figures[usable & (groups == group), :2])
            for group in np.unique(groups[usable])
        }

    def _tops(self) -> Mapping[int, float]:
        """The best figure of every row of the table."""
        found: dict[int, float] = {}
        for known in self._known:
            held = known.holds & np.isfinite(known.figures[:, 2])
            for group in np.unique(known.groups[held, 1]):
                best = float(known.figures[held & (known.groups[:, 1] == group), 2].max())
                found[int(group)] = max(best, found.get(int(group), -np.inf))
        return found

    def _open(self, number: int, fronts: Mapping[int, np.ndarray], tops: Mapping[int, float]) -> np.ndarray:
        """Which cells may hold a point that is missed."""
        known, cells = self._known[number], self._cells[number]
        open_ = np.zeros(len(cells), dtype=bool)
        if not len(cells):
            return open_
        corners = self._lattices[number].corners(cells)
        figures, holds = known.figures[corners], known.holds[corners]
        found = np.isfinite(figures[:, :, :2]).all(axis=2)
        some = found.any(axis=1)
        open_ |= some & ~found.all(axis=1)  # where results end
        with np.errstate(invalid="ignore"):
            highest = np.nanmax(np.where(np.isfinite(figures), figures, -np.inf), axis=1)
        first = corners[np.arange(len(cells)), np.argmax(found, axis=1)]
        front_of, row_of = known.groups[first].T
        for place in np.flatnonzero(some & ~open_):
            if self.aim.front:
                open_[place] |= _beyond(highest[place, :2], fronts[int(front_of[place])], self.aim.within)
            if holds[place].any() and not holds[place].all():
                open_[place] |= _better(highest[place, 2], tops[int(row_of[place])], self.aim.within)
        return open_


def _nothing(most: int) -> _Known:
    return _Known(
        figures=np.full((most, 3), np.nan),
        holds=np.zeros(most, dtype=bool),
        asked=np.zeros(most, dtype=bool),
        groups=np.full((most, 2), -1, dtype=np.int64),
    )


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Those [point, 2] that none beats in both, fastest first."""
    order = np.lexsort((-points[:, 1], -points[:, 0]))
    best = np.maximum.accumulate(points[order, 1])
    front: np.ndarray = points[order][np.concatenate([[True], best[1:] > best[:-1]])]
    return front


def _beyond(point: np.ndarray, front: np.ndarray, within: float) -> bool:
    """Whether a point is better than the front by more than a share."""
    return not bool(np.any(np.all(front * (1.0 + within) >= point, axis=1)))


def _better(figure: float, top: float, within: float) -> bool:
    return figure > top + within * abs(top)
