"""The accuracy report, from a small planted table."""

import numpy as np
import pandas as pd
import pytest
from accuracy.page import accuracy_markdown, concurrency_bins, worst_rows, write_accuracy_report


@pytest.fixture(scope="module")
def frame():
    num_rows = 30
    rng = np.random.default_rng(3)
    table = pd.DataFrame({
        "run_id": [f"run_{index}" for index in range(num_rows)],
        "model": "Qwen/Qwen3-32B", "gpu": "h100_sxm", "backend": np.resize(["vllm", "trtllm"], num_rows),
        "mode": np.where(np.arange(num_rows) == 4, "disagg", "agg"),
        "tp": 4.0, "pp": 1.0, "attn_dp": 1.0, "moe_tp": 1.0, "ep": 1.0,
        "isl_tokens": 4000, "osl_tokens": 1000, "concurrency": 2 ** (np.arange(num_rows) % 9),
        "ttft_ms_mean": np.exp(rng.uniform(4, 8, num_rows)), "itl_ms_mean": rng.uniform(5, 50, num_rows),
        "error": "",
    })  # fmt: skip
    for role in ("prefill", "decode"):
        for name in ("workers", "tp", "pp", "attn_dp", "moe_tp", "ep"):
            table[f"{role}_{name}"] = np.where(
                table["mode"] == "disagg", 2.0 if name == "tp" else 1.0, np.nan
            )
    for metric in ("ttft", "itl"):
        table[f"predicted_{metric}_ms_mean"] = 1.1 * table[f"{metric}_ms_mean"]
    table.loc[7, "predicted_ttft_ms_mean"] *= 10
    table.loc[4, "predicted_itl_ms_mean"] /= 5
    table.loc[29, ["predicted_ttft_ms_mean", "predicted_itl_ms_mean"]] = np.nan
    table.loc[29, "error"] = "unknown gpu | 'x'"
    return table


@pytest.fixture(scope="module")
def docs():
    errors = {"mdape": 0.1, "mape": 0.2, "bias": 0.1, "p90": 0.3, "rank": 0.9}
    found = [
        {
            "partition": {"backend": name},
            "rows": 15,
            "ttft": errors,
            "itl": errors,
            "coverage90": {"ttft": 0.9, "itl": None},
        }
        for name in ("vllm", "trtllm")
    ]
    return {"Engine": {"rows": 30, "covered": 29, "by": found}}


def test_markdown(frame, docs):
    text = accuracy_markdown(frame, docs, notes=["each model left out of its own fit"])
    lines = text.splitlines()
    assert lines[0] == "<!-- Regenerate with: make reports -->"
    assert "29 of 30 runs predicted. The others: unknown gpu \\| 'x' (1)." in text
    assert "- each model left out of its own fit" in text
    table = [line for line in lines if line.startswith(("| backend", "| ---", "| vllm", "| trtllm"))]
    assert len({line.count("|") for line in table[:4]}) == 1
    assert "| vllm | 15 | 10% | 20% | 30% | +10% | 0.90 | 90% |" in text
    assert "## The 20 runs furthest off" in text


def test_worst_rows_count_both_directions(frame):
    worst = worst_rows(frame.iloc[:29], 2)
    # Run 7 predicts 11 times the TTFT, run 4 about 1/4.5 of the ITL.
    assert list(worst["run_id"]) == ["run_7", "run_4"]


def test_disaggregated_layout_in_the_worst_rows(frame, docs):
    assert "1P tp2 + 1D tp2" in accuracy_markdown(frame, docs)


def test_concurrency_bins():
    found = concurrency_bins(pd.Series([1, 2, 4, 5, 64, 65, 1024, 4096]))
    assert list(found) == ["1", "2-4", "2-4", "5-16", "17-64", "65-256", "257-1024", "1025+"]


def test_report_is_written(frame, docs, tmp_path):
    written = {}
    write_accuracy_report(frame, docs, tmp_path / "accuracy", lambda path, text: written.update({path: text}))
    names = sorted(path.name for path in (tmp_path / "accuracy").iterdir())
    assert names == ["error_by_engine.png", "itl.png", "ttft.png"]
    (path,) = written
    assert path.name == "README.md"
    for name in names:
        assert f"({name})" in written[path]
