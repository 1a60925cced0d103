"""The places of one grid as a lattice: axes with an order are divided into cells, the others are not."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simkit.experiments.columns import AXES
from simkit.experiments.points import Dimension

# Axes along which figures rise or fall; settings of a benchmark, bounds and prices do not order a deployment.
_ORDERED = (
    "num_gpus", "isl_tokens", "osl_tokens", "request_rate_per_s", "concurrency", "max_num_seqs",
    "max_num_batched_tokens", "decode_max_num_seqs", "tp", "pp", "attn_dp", "moe_tp", "ep",
)  # fmt: skip
_FEWEST = 5  # values of an axis that is worth dividing
_STATIONS = 4  # places of an axis that are asked first, with the neighbours of both ends: curves turn there

Cells = np.ndarray  # [cell, low or high, dimension]: places along every dimension


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Lengths of the dimensions of a grid, and which of them have an order."""

    lengths: tuple[int, ...]
    ordered: tuple[int, ...]

    @property
    def most(self) -> int:
        """Places of the whole grid."""
        return math.prod(self.lengths)

    def first_cells(self) -> Cells:
        """Cells between the places that are asked first."""
        spans = [_spans(n, divided=i in self.ordered) for i, n in enumerate(self.lengths)]
        found = [np.array(cell).T for cell in itertools.product(*spans)]
        return np.array(found, dtype=np.int64).reshape(-1, 2, len(self.lengths))

    def corners(self, cells: Cells) -> np.ndarray:
        """Flat places [cell, corner] of every corner."""
        picks = itertools.product((0, 1), repeat=len(self.ordered))
        columns = []
        for pick in picks:
            at = cells[:, 0, :].copy()
            for side, dimension in zip(pick, self.ordered, strict=True):
                at[:, dimension] = cells[:, side, dimension]
            columns.append(np.ravel_multi_index(tuple(at.T), self.lengths))
        return np.stack(columns, axis=1)

    def divided(self, cells: Cells) -> Cells:
        """Both halves of every cell along its longest side; cells between neighbours are whole already."""
        if not self.ordered:
            return cells[:0]
        sides = (cells[:, 1, :] - cells[:, 0, :])[:, self.ordered]
        longest = np.array(self.ordered)[np.argmax(sides, axis=1)]
        open_ = sides.max(axis=1) > 1
        low, high = cells[open_].copy(), cells[open_].copy()
        row, along = np.arange(len(low)), longest[open_]
        middle = (low[row, 0, along] + low[row, 1, along]) // 2
        low[row, 1, along] = middle
        high[row, 0, along] = middle
        return np.concatenate([low, high])


def lattice_of(grid: Sequence[Dimension], apart: Sequence[str]) -> Lattice:
    """The lattice of a grid; axes named in `apart` are not divided."""
    ordered = tuple(place for place, dimension in enumerate(grid) if _has_order(dimension, apart))
    return Lattice(lengths=tuple(len(next(iter(d.values()))) for d in grid), ordered=ordered)


def _has_order(dimension: Dimension, apart: Sequence[str]) -> bool:
    for name, values in dimension.items():
        numbers = [value for value in values if isinstance(value, int | float)]
        if name in apart or name not in _ORDERED or AXES[name] == "text" or len(numbers) < _FEWEST:
            return False
        steps = np.diff(np.array(numbers, dtype=np.float64))
        if not (np.all(steps > 0) or np.all(steps < 0)):
            return False
    return True


def _spans(length: int, *, divided: bool) -> list[tuple[int, int]]:
    if not divided:
        return [(place, place) for place in range(length)]
    even = np.linspace(0, length - 1, _STATIONS).round().astype(int)
    return list(itertools.pairwise(np.unique([*even, 1, length - 2]).tolist()))
