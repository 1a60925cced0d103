"""What a figure shows, as data: every drawing of it, still or moving, is made from this and nothing else."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["line", "points", "bars"]
Number = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis measures; categories name places 0, 1, 2 … in order. best: where better values lie."""

    label: str
    log: bool = False
    from_zero: bool = False
    categories: tuple[str, ...] = ()
    best: Literal["", "up", "down"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one kind. lo and hi bound y (x_lo and x_hi bound x) with 90 % coverage where given.

    names say what a point is; doubtful ones are extrapolated. band: shade between the bounds, else whiskers.
    """

    label: str
    x: tuple[Number, ...]
    y: tuple[Number, ...]
    kind: Kind = "points"
    colour: str = "#555555"
    marker: Literal["o", "^", "s", "*", "D"] = "o"
    lo: tuple[Number, ...] = ()
    hi: tuple[Number, ...] = ()
    x_lo: tuple[Number, ...] = ()
    x_hi: tuple[Number, ...] = ()
    names: tuple[str, ...] = ()
    doubtful: tuple[bool, ...] = ()
    band: bool = False
    dashed: bool = False
    extra: tuple[tuple[Number, ...], ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundLine:
    """A line across the figure at one value: an SLA, a capacity, or where predicted equals measured."""

    label: str
    value: float = 0.0
    axis: Literal["x", "y", "diagonal"] = "y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Series over two axes. alt says in words what is seen; note what to look for.

    choices: other quantities that the reader may put on an axis; each series has them in `extra`.
    """

    name: str
    title: str
    alt: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    choices: tuple[str, ...] = ()
    bounds: tuple[BoundLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Values over two categories: values[row][column], None where there is none, marks beside them."""

    name: str
    title: str
    alt: str
    x: Axis
    y: Axis
    unit: str
    values: tuple[tuple[Number, ...], ...]
    marks: tuple[tuple[str, ...], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPool:
    """Engines of one role: how many, and how many GPUs each spreads over how many nodes."""

    role: str
    engines: int
    gpus: int
    nodes: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A deployment: pools of engines and what passes between them."""

    name: str
    title: str
    alt: str
    pools: tuple[DrawnPool, ...]
    entry: str
    link: str = ""
    note: str = ""


Figure = Chart | HeatMap | Drawing
