"""The report on operator models: counts, weighted medians, nothing missing, no broken tables."""

import numpy as np
import pandas as pd
import pytest
from operators.page import operator_markdown, weighted_median, write_operator_report


@pytest.fixture
def tables():
    base = {
        "family": "gemm", "gpu": "h200_sxm", "engine": "vllm", "version": "0.24.0", "rows": 1000,
        "launch_bound_rows": 7, "cached_rows": 3, "knots": 100, "fit_median": 0.01, "fit_p90": 0.05,
        "interpolated_median": 0.03, "interpolated_p90": 0.1, "filled_from": "",
    }  # fmt: skip
    scores = pd.DataFrame([
        {**base, "variant": "fp8", "held_out_median": 0.02, "held_out_p90": 0.08},
        {**base, "variant": "bf16", "held_out_median": 0.07, "held_out_p90": 0.3, "rows": 3000},
        {**base, "variant": "bf16:x", "held_out_median": np.nan, "held_out_p90": np.nan},
        {**base, "family": "moe", "variant": "fp8/balanced", "held_out_median": 0.04, "held_out_p90": 0.1},
    ])  # fmt: skip
    asked = {"engine": "vllm", "variant": "fp8"}
    transfer = pd.DataFrame([
        {**asked, "family": "gemm", "gpu": "h200_sxm", "rows": 9, "median": 0.1, "p90": 0.3},
        {**asked, "family": "moe", "gpu": "b60", "rows": 0, "median": np.nan, "p90": np.nan},
    ])  # fmt: skip
    worst = pd.DataFrame([
        {"cell": f"gemm/h200_sxm/vllm/bf16{i}", "sizes": "m 1", "measured_us": 10.0, "predicted_us": 10.0 * i}
        for i in range(1, 60)
    ])  # fmt: skip
    return scores, transfer, worst


def test_the_summary_counts_models_and_rows(tables):
    text = operator_markdown(*tables)
    assert "4 models from 6,000 measured rows, 400 knots" in text
    assert "2 of 3 meet both goals" in text
    assert "1 have fewer than five shapes" in text
    assert "28 rows that timed the host's" in text


def test_every_family_has_its_table_and_lines_agree_with_their_heads(tables):
    text = operator_markdown(*tables)
    assert "## gemm" in text
    assert "## moe" in text
    for block in text.split("\n\n"):
        widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_the_files_are_written_and_the_worst_come_first(tables, tmp_path):
    write_operator_report(tmp_path, tables, lambda path, text: path.write_text(text))
    assert {path.name for path in tmp_path.iterdir()} == {
        "README.md", "scores.csv", "transfer.csv", "worst.csv", "worst.png",
    }  # fmt: skip
    ratios = pd.read_csv(tmp_path / "worst.csv").eval("predicted_us / measured_us")
    assert len(ratios) == 40
    assert ratios.is_monotonic_decreasing


def test_a_weighted_median_by_hand():
    assert weighted_median(pd.Series([0.1, 0.2, 0.3]), pd.Series([1, 1, 5])) == 0.3
    assert weighted_median(pd.Series([0.3, 0.1, 0.2]), pd.Series([1, 5, 1])) == 0.1
    assert np.isnan(weighted_median(pd.Series(dtype=float), pd.Series(dtype=float)))
