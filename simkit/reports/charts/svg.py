"""Any figure as SVG."""

from dataclasses import replace

from simkit.reports.charts.boxes_svg import drawing_svg, heat_svg
from simkit.reports.charts.chart_svg import chart_svg
from simkit.reports.charts.model import Chart, Figure, HeatMap


def figure_as_svg(figure: Figure, *, alone: bool = False, titled: bool = True) -> str:
    """The figure as an <svg> element: to stand in a page, or alone as a file with its title in it.

    titled: each of few points says what it is where it is pointed at.
    """
    if isinstance(figure, Chart):
        named = titled or any(series.kind == "bars" for series in figure.series)
        return chart_svg(figure if named else without_names(figure), alone=alone)
    return heat_svg(figure, alone=alone) if isinstance(figure, HeatMap) else drawing_svg(figure, alone=alone)


def without_names(chart: Chart) -> Chart:
    """For a page whose script says what a point is."""
    return replace(chart, series=tuple(replace(series, names=()) for series in chart.series))
