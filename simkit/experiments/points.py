"""Points of an experiment, made lazily in blocks: the same file gives the same blocks in the same order."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simkit.experiments.axes import Value
from simkit.experiments.columns import AXES, POINT, REPEATED, SIZES, Do
from simkit.experiments.conditions import Condition, missing
from simkit.experiments.layouts import EngineKey, LayoutKey, layout_of

if TYPE_CHECKING:
    import pandas as pd

Dimension = Mapping[str, Sequence[Value]]  # columns that move together

_NAMED = ("plan", "prefill", "decode")  # layouts by short names

# Points of one task: thousands where they are evaluated as arrays, few where each takes a while.
BLOCK_POINTS: Mapping[Do, int] = {"predict": 4096, "simulate": 8, "recommend": 8, "benchmark": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Grids one after another, each the product of its dimensions, less what a condition leaves out."""

    do: Do
    grids: tuple[tuple[Dimension, ...], ...]
    where: Condition | None
    seed: int
    size: int

    @property
    def most(self) -> int:
        """Points before the condition."""
        return sum(math.prod(len(next(iter(d.values()))) for d in grid) for grid in self.grids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointBlock:
    """Points of one task: those of `places` of a grid. digest is that of their contents; points have all
    columns of POINT, and `error`.
    """

    index: int
    digest: str
    points: "pd.DataFrame"
    grid: int
    places: np.ndarray


def ordered(grid: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Dimensions with what is dear to look up slowest, whatever their order in the file."""
    places = list(AXES)
    return tuple(sorted(grid, key=lambda dimension: min(places.index(name) for name in dimension)))


def point_blocks(space: Space) -> Iterator[PointBlock]:
    """The blocks that hold any point, in order; none is kept once the next is made."""
    index = 0
    for number, grid in enumerate(space.grids):
        lengths = [len(next(iter(dimension.values()))) for dimension in grid]
        total = math.prod(lengths)
        for start in range(0, total, space.size):
            yield from blocks_at(space, number, np.arange(start, min(start + space.size, total)), index)
            index += 1


def blocks_at(space: Space, grid: int, places: np.ndarray, index: int) -> Iterator[PointBlock]:
    """Blocks of these places of a grid that hold any point, numbered from `index`."""
    for number, start in enumerate(range(0, len(places), space.size), start=index):
        block = _block(space, grid, places[start : start + space.size], number)
        if len(block.points):
            yield block


def _block(space: Space, grid: int, places: np.ndarray, index: int) -> PointBlock:
    import pandas as pd

    columns, words = _columns(space.grids[grid], places)
    table = pd.DataFrame({name: columns.get(name, np.full(len(places), None)) for name in POINT})
    table["point"] = _hashes(space, words, len(places))
    table["seed"] = space.seed + (table["repeat"].astype("int64") if space.do in REPEATED else 0)
    table["error"] = ""
    if space.do != "recommend":
        lay_out(table)
    if space.where is not None:
        kept = space.where.holds(table)
        table, places = table[kept].reset_index(drop=True), places[kept]
    digest = hashlib.sha256("\n".join(table["point"]).encode()).hexdigest()
    return PointBlock(index=index, digest=digest[:16], points=table, grid=grid, places=places)


def _columns(
    grid: Sequence[Dimension], at: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Values of every column at these places of the product, and the same in words for the hash."""
    values, words = {}, {}
    for dimension in reversed(grid):
        count = len(next(iter(dimension.values())))
        digit, at = at % count, at // count
        for name, entries in dimension.items():
            each = np.empty(count, dtype=object)
            each[:] = list(entries)
            values[name] = each[digit]
            words[name] = np.array([f"{name}={_word(entry)}" for entry in entries], dtype=object)[digit]
    return values, words


def _word(value: Value) -> str:
    """One way to write a number, whether 4 or 4.0 was read."""
    return (
        repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    )


def _hashes(space: Space, words: Mapping[str, np.ndarray], count: int) -> list[str]:
    """Content hashes of points: what is stated, sorted by name, whatever the file's order."""
    head = f"do={space.do};seed={space.seed if space.do in REPEATED else 0};"
    names = sorted(words)
    rows = zip(*(words[name] for name in names), strict=True) if names else iter([()] * count)
    return [hashlib.blake2b((head + ";".join(row)).encode(), digest_size=8).hexdigest() for row in rows]


def lay_out(table: "pd.DataFrame") -> None:
    """Fill in sizes and counts, once for every distinct layout of a block."""
    column = {name: table[name].tolist() for name in (*EngineKey._fields, *SIZES, *_NAMED, "num_gpus")}
    engine = list(zip(*(column[name] for name in EngineKey._fields), strict=True))
    sizes = zip(*(column[name] for name in SIZES), strict=True)
    layout = zip(*(column[name] for name in _NAMED), sizes, column["num_gpus"], strict=True)
    keys = list(zip(engine, layout, strict=True))
    distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    found = [layout_of(EngineKey(*one), LayoutKey(*two)) for one, two in distinct]
    place = np.array([distinct[key] for key in keys], dtype=np.intp)
    filled = dict.fromkeys(name for layout in found for name in layout.columns)
    for name in filled:
        each = np.array([layout.columns.get(name) for layout in found], dtype=object)
        stated = table[name].to_numpy()
        table[name] = np.where(missing(each[place]), stated, each[place])
    table["error"] = np.array([layout.error for layout in found], dtype=object)[place]
