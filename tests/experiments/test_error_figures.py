"""Figures of predicted against measured render, and say how many and how far off."""

import numpy as np
import pandas as pd
import pytest
from error_figures import error_bars_figure, figure_png, natural_order, predicted_measured_figure

from simkit.reports.figures import figure_svg

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


def test_natural_order():
    assert sorted(["17-64", "5-16", "1", "1025+"], key=natural_order) == ["1", "5-16", "17-64", "1025+"]
