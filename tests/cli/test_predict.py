"""`predict` and `evaluate` on the measured runs and on odd tables."""

import json

import pandas as pd
import pytest

COLUMNS = [
    "run_id", "predicted_ttft_ms_mean", "predicted_ttft_ms_lo", "predicted_ttft_ms_hi",
    "predicted_itl_ms_mean", "predicted_itl_ms_lo", "predicted_itl_ms_hi",
    "predicted_output_tokens_per_s_per_gpu", "in_domain", "error",
]  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_measured_run_is_answered_in_order(simkit, runs_csv, tmp_path, ending):
    out = tmp_path / f"predicted.{ending}"
    found = simkit("predict", runs_csv, "-o", out)
    assert found.status == 0
    table = pd.read_csv(out, keep_default_na=False) if ending == "csv" else pd.read_parquet(out)
    runs = pd.read_csv(runs_csv, low_memory=False)
    assert list(table.columns) == COLUMNS
    assert list(table["run_id"]) == list(runs["run_id"])
    assert (table["error"] == "").mean() >= 0.97
    assert f"of {len(runs)} rows" in found.err
    numbers = table[table["error"] == ""]
    for metric in ("ttft", "itl"):
        low, mean, high = (
            numbers[f"predicted_{metric}_ms_{side}"].astype(float) for side in ("lo", "mean", "hi")
        )
        assert ((low > 0) & (low <= mean) & (mean <= high)).all()


def test_measured_columns_do_not_leak_into_predictions(simkit, runs_csv, tmp_path):
    runs = pd.read_csv(runs_csv, low_memory=False).head(200)
    hidden = runs.drop(
        columns=["ttft_ms_mean", "itl_ms_mean", "flags", "measured_at", "deployment_group", "split_group"]
    )
    for name, table in (("full", runs), ("hidden", hidden)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        simkit("predict", tmp_path / f"{name}.csv", "-o", tmp_path / f"{name}-out.csv")
    assert (tmp_path / "full-out.csv").read_bytes() == (tmp_path / "hidden-out.csv").read_bytes()


def test_rows_that_cannot_be_predicted_say_why(simkit, tmp_path):
    rows = pd.DataFrame({
        "run_id": ["good", "model", "gpu", "backend", "load", "mode", "plan"],
        "model": ["Qwen/Qwen3-32B", "nobody/knows-this", *["Qwen/Qwen3-32B"] * 5],
        "gpu": ["h100_sxm", "h100_sxm", "h9000", *["h100_sxm"] * 4],
        "backend": ["vllm", "vllm", "vllm", "tgi", *["vllm"] * 3],
        "isl_tokens": 1024, "osl_tokens": 128,
        "concurrency": [8, 8, 8, 8, 0, 8, 8],
        "mode": ["agg"] * 5 + ["both", "agg"],
        "tp": [2] * 6 + [2], "ep": [1] * 6 + [8],
    })  # fmt: skip
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = simkit("predict", tmp_path / "rows.csv", "-o", tmp_path / "out.csv")
    assert found.status == 0
    assert "1 of 7 rows" in found.err
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False).set_index("run_id")
    assert table.loc["good", "error"] == ""
    for name, mention in {
        "model": "knows-this", "gpu": "h9000", "backend": "tgi", "load": "concurrency",
        "mode": "agg or disagg", "plan": "moe_tp*ep",
    }.items():  # fmt: skip
        assert mention in table.loc[name, "error"]
        assert table.loc[name, "predicted_ttft_ms_mean"] == ""


def test_the_benchmark_procedure_can_be_given_by_hand(simkit, runs_csv, tmp_path):
    runs = pd.read_csv(runs_csv, low_memory=False)
    named = runs[runs["protocol"] == "inferencex"].head(50)
    by_hand = named.drop(columns="protocol").assign(requests_per_slot=10, length_spread=0.2)
    for name, table in (("named", named), ("by_hand", by_hand)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        simkit("predict", tmp_path / f"{name}.csv", "-o", tmp_path / f"{name}-out.csv")
    assert (tmp_path / "named-out.csv").read_bytes() == (tmp_path / "by_hand-out.csv").read_bytes()


def test_evaluate_by_partition(simkit, runs_csv):
    found = simkit("evaluate", runs_csv, "--by", "gpu,backend", "--format", "json")
    document = json.loads(found.out)
    assert document["rows"] == 1673
    assert document["covered"] >= 0.97 * document["rows"]
    assert sum(item["rows"] for item in document["by"]) == document["covered"]
    first = document["by"][0]
    assert set(first["partition"]) == {"gpu", "backend"}
    for metric in ("ttft", "itl", "output_tokens_per_s_per_gpu"):
        assert set(first[metric]) == {"mdape", "mape", "bias", "p90", "rank"}
    assert set(first["coverage90"]) == {"ttft", "itl"}
    whole = json.loads(simkit("evaluate", runs_csv, "--format", "json").out)
    assert whole["by"][0]["partition"] == {}


def test_evaluate_needs_measurements_and_known_columns(simkit, runs_csv, tmp_path):
    pd.read_csv(runs_csv).drop(columns="itl_ms_mean").to_csv(tmp_path / "x.csv", index=False)
    found = simkit("evaluate", tmp_path / "x.csv")
    assert found.status == 2
    assert "itl_ms_mean" in found.err
    found = simkit("evaluate", runs_csv, "--by", "gpuu")
    assert found.status == 2
    assert "gpu" in found.err


def test_a_table_without_needed_columns(simkit, tmp_path):
    pd.DataFrame({"modell": ["x"], "gpu": ["y"]}).to_csv(tmp_path / "x.csv", index=False)
    found = simkit("predict", tmp_path / "x.csv", "-o", tmp_path / "out.csv")
    assert found.status == 2
    assert "model" in found.err
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_is_no_table(simkit, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"\x00\x01nonsense")
    found = simkit("predict", tmp_path / "x.parquet", "-o", tmp_path / "out.csv")
    assert found.status == 2
    assert "x.parquet" in found.err


SPLIT = {
    "model": "Qwen/Qwen3-32B", "gpu": "h100_sxm", "backend": "vllm", "mode": "disagg", "isl_tokens": 1000,
    "osl_tokens": 300, "concurrency": 48, "prefill_tp": 2, "decode_tp": 4,
}  # fmt: skip


def test_a_row_of_few_places_to_decode_waits_for_one(simkit, tmp_path):
    rows = [SPLIT | {"decode_max_num_seqs": slots} for slots in (None, 256, 16, 0.5)]
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    assert simkit("predict", tmp_path / "rows.csv", "-o", tmp_path / "out.csv").status == 0
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    ttft = found["predicted_ttft_ms_mean"][:3].astype(float)
    assert ttft[0] == ttft[1]
    waits = 1.9  # of 48 in flight 16 decode, so that 32 wait
    assert ttft[2] > waits * 299 * float(found["predicted_itl_ms_mean"][2])
    assert "decode_max_num_seqs must be a whole number" in found["error"][3]
