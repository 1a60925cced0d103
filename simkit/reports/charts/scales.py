"""From values to places: ranges, round ticks, and the numbers beside them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simkit.reports.charts.model import Axis, Chart, Number, Series

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MOST = 1e100  # no axis is made for what lies beyond
_MARGIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis laid over `start` to `end`, both in the figure's own units."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands, held to a little beyond the ends."""
        share = (self._of(value) - self._of(self.low)) / (self._of(self.high) - self._of(self.low))
        return self.start + min(max(share, -0.02), 1.02) * (self.end - self.start)

    def shows(self, value: Number) -> bool:
        """Whether the value can be placed at all."""
        return value is not None and math.isfinite(value) and (value > 0 or not self.log)

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


def scale_of(axis: Axis, values: Iterable[Number], start: float, end: float) -> Scale:
    """A scale that holds all the values with a margin."""
    if axis.categories:
        return Scale(low=-0.5, high=len(axis.categories) - 0.5, start=start, end=end)
    found = [v for v in values if v is not None and abs(v) < _MOST and (v > 1 / _MOST or not axis.log)]
    low, high = (min(found), max(found)) if found else (0.1, 1.0)
    if axis.log:
        ratio = max(high / low, 1.5) ** _MARGIN
        return Scale(low=low / ratio, high=high * ratio, start=start, end=end, log=True)
    low = min(low, 0.0) if axis.from_zero else low
    span = (high - low) or abs(high) or 1.0
    floor = low if axis.from_zero and low >= 0 else low - _MARGIN * span
    return Scale(low=floor, high=high + _MARGIN * span, start=start, end=end)


def ticks(scale: Scale, most: int = 6) -> list[float]:
    """Round values inside the scale."""
    if scale.log:
        return _log_ticks(scale, most)
    rough = (scale.high - scale.low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _STEPS if power * factor >= rough * 0.999)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _log_ticks(scale: Scale, most: int) -> list[float]:
    """Powers of ten; between them 2 and 5, or 3, where there is room."""
    low, high = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [f * 10.0**p for p in range(low, high + 1) for f in factors]
        shown = [value for value in found if scale.low <= value <= scale.high]
        if len(shown) <= most:
            break
    while len(shown) > most:
        shown = shown[::2]
    return shown or [scale.low]


def tick_text(value: float) -> str:
    """A tick in few letters: 0.05, 250, 1,200, 45k."""
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:g}M"
    if size >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{value:,.10g}" if size >= 1 else f"{value:.3g}"


def x_values(chart: Chart) -> Iterator[Number]:
    """All that must fit on the horizontal axis."""
    for series in chart.series:
        yield from (*series.x, *series.x_lo, *series.x_hi)
    yield from (bound.value for bound in chart.bounds if bound.axis == "x")


def y_values(chart: Chart) -> Iterator[Number]:
    """All that must fit on the vertical axis."""
    for series in chart.series:
        yield from (*series.y, *series.lo, *series.hi)
        if series.kind == "bars":
            yield 0.0
    yield from (bound.value for bound in chart.bounds if bound.axis == "y")


def shown(series: Series, scales: tuple[Scale, Scale]) -> Iterator[int]:
    """Positions of the points that both scales can place."""
    for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
        if scales[0].shows(x) and scales[1].shows(y):
            yield i
