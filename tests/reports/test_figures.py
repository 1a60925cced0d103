"""Figures render, the same each time, without a global state."""

import sys
import xml.etree.ElementTree as ET

from simkit.reports.charts.svg import figure_as_svg
from simkit.reports.document import recommendation_document
from simkit.reports.views.recommendation_figures import pareto_chart


def test_pareto_svg_is_deterministic(rec):
    first, second = (figure_as_svg(pareto_chart(recommendation_document(rec))) for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
    assert "currentColor" in first
    assert "2 \u00d7 tp4" in first
    assert "ITL \u2264 30 ms" in first
    ET.fromstring(first)  # noqa: S314 -- our own text


def test_pyplot_stays_out():
    assert "matplotlib.pyplot" not in sys.modules
