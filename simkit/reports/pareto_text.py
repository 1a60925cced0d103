"""The Pareto front as a few lines of text: tokens/s per user against tokens/s per GPU."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.labels import count, number

_HEIGHT = 11  # plot rows; title, axis, ticks and legend come on top
_MARGIN = 8  # columns left of the axis
_MARKS = ((".", "other candidate"), ("o", "Pareto front"), ("K", "its knee"), ("*", "selected"))

Point = tuple[float, float]


def pareto_text(doc: Mapping[str, Any], width: int = 78) -> str:
    """The plot of a recommendation's document as ASCII, at most 18 lines of `width` columns.

    Empty with nothing to draw.
    """
    layers = {
        ".": _points(doc["candidates"]),
        "o": _points(doc["pareto"]),
        "K": _points([doc["knee"]] if doc["knee"] else []),
        "*": _points([doc["selected"]] if doc["selected"] else []),
    }
    every = [point for points in layers.values() for point in points]
    if not every:
        return ""
    columns = max(20, width - _MARGIN - 2)
    right, top = (1.05 * max(point[axis] for point in every) for axis in (0, 1))
    canvas = [[" "] * columns for _ in range(_HEIGHT)]
    for mark, points in layers.items():  # later layers on top
        for x, y in points:
            canvas[_HEIGHT - 1 - int(y / top * _HEIGHT)][int(x / right * columns)] = mark
    return "\n".join(_framed(canvas, right, top))


def _points(candidates: Sequence[Mapping[str, Any]]) -> list[Point]:
    pairs = [(item["tokens_per_s_per_user"], item["output_tokens_per_s_per_gpu"]) for item in candidates]
    return [(x, y) for x, y in pairs if x is not None and y is not None and x > 0 and y > 0]


def _framed(canvas: list[list[str]], right: float, top: float) -> list[str]:
    """The canvas with axes; ticks stand where the canvas is divided, so that they are exact."""
    columns = len(canvas[0])
    ticks = {0: count(top), _HEIGHT // 2: count(top * (1 - (_HEIGHT // 2) / _HEIGHT))}
    rows = [
        f"{ticks.get(index, ''):>{_MARGIN - 1}} {'+' if index in ticks else '|'}{''.join(row)}".rstrip()
        for index, row in enumerate(canvas)
    ]
    half, end = number(right / 2), number(right)
    below = f"0{half:^{2 * (columns // 2) - 1}}"
    labels = below[: columns - len(end)].ljust(columns - len(end)) + end
    legend = "   ".join(f"{mark} {meaning}" for mark, meaning in reversed(_MARKS))
    return [
        "output tokens/s per GPU",
        *rows,
        f"{0:>{_MARGIN - 1}} +{'-' * columns}",
        " " * _MARGIN + " " + labels,
        f"{'tokens/s per user':>{_MARGIN + 1 + columns}}",
        " " * _MARGIN + " " + legend,
    ]
