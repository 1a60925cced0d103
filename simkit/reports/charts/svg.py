"""Any figure as SVG."""

from simkit.reports.charts.boxes_svg import drawing_svg, heat_svg
from simkit.reports.charts.chart_svg import chart_svg
from simkit.reports.charts.model import Chart, Figure, HeatMap


def figure_as_svg(figure: Figure, *, alone: bool = False) -> str:
    """The figure as an <svg> element: to stand in a page, or alone as a file with its title in it."""
    if isinstance(figure, Chart):
        return chart_svg(figure, alone=alone)
    return heat_svg(figure, alone=alone) if isinstance(figure, HeatMap) else drawing_svg(figure, alone=alone)
