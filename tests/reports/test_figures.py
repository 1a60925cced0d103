"""Figures render, the same each time, without a global state."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from simkit.reports.document import recommendation_document
from simkit.reports.figures import (
    error_bars_figure,
    figure_png,
    figure_svg,
    pareto_figure,
    predicted_measured_figure,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    measured = np.exp(rng.uniform(3, 9, 90))
    return pd.DataFrame({
        "backend": np.resize(["vllm", "sglang", "trtllm"], 90),
        "ttft_ms_mean": measured,
        "predicted_ttft_ms_mean": np.where(np.arange(90) < 80, 1.1 * measured, np.nan),
    })  # fmt: skip


def test_pareto_svg_is_deterministic(rec):
    first, second = (figure_svg(pareto_figure(recommendation_document(rec))) for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
    assert "currentColor" in first
    assert "2 \u00d7 tp4" in first
    assert "ITL bound 30 ms" in first
    ET.fromstring(first)  # noqa: S314 -- our own text
    assert "<metadata" not in first


def test_predicted_measured(frame, tmp_path):
    figure = predicted_measured_figure(frame, "ttft")
    # 80 rows have a prediction, each 10 % above.
    assert figure.axes[0].get_title() == "TTFT: n = 80, median error 10%"
    assert figure.axes[0].get_xscale() == "log"
    figure_png(figure, tmp_path / "ttft.png")
    assert (tmp_path / "ttft.png").read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.iterdir()] == ["ttft.png"]


def test_predicted_measured_without_rows(frame):
    figure = predicted_measured_figure(frame.iloc[:0], "ttft")
    assert "n = 0" in figure.axes[0].get_title()


def test_error_bars():
    by = [
        {"partition": {"c": label}, "rows": 3, "ttft": {"mdape": 0.2}, "itl": {"mdape": value}}
        for label, value in (("17-64", 0.1), ("1", None))
    ]
    figure = error_bars_figure({"by": by}, "Error by load")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["1  (n = 3)", "17-64  (n = 3)"]
    assert figure_svg(figure)


def test_pyplot_stays_out():
    assert "matplotlib.pyplot" not in sys.modules
