"""Figures render, the same each time, without a global state."""

import sys
import xml.etree.ElementTree as ET

from simkit.reports.document import recommendation_document
from simkit.reports.figures import figure_svg, pareto_figure


def test_pareto_svg_is_deterministic(rec):
    first, second = (figure_svg(pareto_figure(recommendation_document(rec))) for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
    assert "currentColor" in first
    assert "2 \u00d7 tp4" in first
    assert "ITL bound 30 ms" in first
    ET.fromstring(first)  # noqa: S314 -- our own text
    assert "<metadata" not in first


def test_pyplot_stays_out():
    assert "matplotlib.pyplot" not in sys.modules
