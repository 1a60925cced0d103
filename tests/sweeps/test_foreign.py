"""Other people's sweeps: each format's figures and deployment, beside our prediction of the same."""

import json

import foreign_samples as samples
import pandas as pd
import pytest

from simkit.core.errors import InputError
from simkit.experiments.beside.foreign import foreign_points
from simkit.experiments.beside.imported import read_import
from simkit.experiments.evaluate import evaluated

SERVED = {"gpu": "h200_sxm", "backend": "vllm", "plan": "2xtp1"}
CASES = {
    "aiconfigurator, aggregated": (samples.aiconfigurator_agg, {}, 1, "aiconfigurator"),
    "aiconfigurator, pools": (samples.aiconfigurator_disagg, {}, 1, "aiconfigurator"),
    "aiperf": (samples.aiperf_sweep, SERVED, 2, "aiperf"),
    "aiperf's operator": (samples.aiperf_operator, SERVED, 2, "aiperf"),
    "vllm bench sweep": (samples.vllm_sweep, {"gpu": "h200_sxm"}, 2, "vllm-bench"),
    "inferencex": (samples.inferencex, {}, 2, "inferencex"),
    "llm-d": (samples.llmd, {}, 1, "llm-d"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_point_stands_beside_our_prediction_of_it(name, tmp_path):
    write, given, count, tool = CASES[name]
    table = foreign_points([write(tmp_path / "in")], given)
    theirs, ours = table[table["source"] == tool], table[table["source"] == "closed form"]
    assert len(theirs) == len(ours) == count
    assert (table["error"] == "").all()
    assert theirs["point"].tolist() == ours["point"].tolist()
    prefix = "predicted_" if tool == "aiconfigurator" else "measured_"
    for figure in ("ttft_ms_mean", "itl_ms_mean", "output_tokens_per_s_per_gpu"):
        assert (theirs[f"{prefix}{figure}"].astype(float) > 0).all()
        assert (ours[f"predicted_{figure}"].astype(float) > 0).all()


def test_figures_and_units_are_taken_over(tmp_path):
    row = foreign_points([samples.llmd(tmp_path)], {}).iloc[0]
    names = ("ttft_ms_mean", "ttft_ms_p99", "itl_ms_mean", "e2e_ms_mean")
    assert [row[f"measured_{name}"] for name in names] == pytest.approx([80, 200, 9, 1900])
    assert row["measured_output_tokens_per_s_per_gpu"] == 1700 / 2
    assert (row["gpu"], row["tp"], row["num_gpus"], row["requests_per_slot"]) == ("h200_sxm", 2, 2, 10.0)
    pools = foreign_points([samples.aiconfigurator_disagg(tmp_path / "b")], {}).iloc[0]
    assert (pools["mode"], pools["prefill_tp"], pools["decode_workers"], pools["num_gpus"]) == (
        "disagg",
        2,
        2,
        4,
    )


def test_ours_is_what_a_sweep_predicts(tmp_path):
    ours = foreign_points([samples.aiconfigurator_agg(tmp_path)], {}).iloc[[1]]
    asked = ours.drop(columns=[name for name in ours if name.startswith(("measured_", "predicted_"))])
    again = evaluated("predict", asked.assign(backend_version="0.10.0"))
    assert again["predicted_itl_ms_mean"].iloc[0] == pytest.approx(ours["predicted_itl_ms_mean"].iloc[0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "does not say gpu, backend, plan; add --gpu, --backend, --plan"),
        ({**SERVED, "gpu": "h2000"}, "or say what it is with --gpu"),
    ],
)
def test_what_files_leave_open_is_asked_for(tmp_path, given, told):
    with pytest.raises(InputError, match=told):
        foreign_points([samples.aiperf_sweep(tmp_path)], given)


@pytest.mark.parametrize("length", ["inf", "-inf", "1e308", "-3"])
def test_a_length_beyond_any_is_refused(tmp_path, length):
    path = samples.aiconfigurator_agg(tmp_path)
    path.write_text(path.read_text().replace(",1000,200,", f",{length},200,"))
    with pytest.raises(InputError, match="isl"):
        foreign_points([path], {})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "x,y\n1,2\n", "no table of AIConfigurator"),
        ("a.json", '{"x": 1}', "no known benchmark result"),
        ("a.yaml", "version: '0.1'\nrun: {}\nresults: {}\n", "version 0.2 is read"),
        ("b.csv", "tokens/s/gpu,tokens/s/user,tpot\n1,2,3\n", "column isl missing"),
    ],
)
def test_another_file_is_refused(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        foreign_points([tmp_path / name], {})


def test_the_command_adds_to_a_folder_and_shows_both(tmp_path, simkit, small_run):
    out = tmp_path / "theirs"
    flags = ("--gpu", "h200_sxm", "--backend", "vllm", "--plan", "2xtp1", "-o", out)
    first = simkit("experiment", "import", samples.aiperf_sweep(tmp_path / "a"), *flags)
    assert first.status == 0
    assert "aiperf, 2 points, median difference: TTFT" in first.out
    run = simkit("experiment", "import", samples.llmd(tmp_path / "b"), "-o", out, "--format", "json")
    shown = json.loads(run.out)["points"]
    assert [row["source"] for row in shown].count("aiperf") == 2
    assert shown[-1]["ttft_ms_mean ours/theirs"] > 0
    assert len(pd.read_parquet(out / "parts")) == len(read_import(out)) == 6
    listed = json.loads(simkit("experiment", "list", tmp_path, "--format", "json").out)
    assert [(item["kind"], item["question"], item["state"]) for item in listed] == [
        ("import", "results of aiperf, llm-d", "3 points")
    ]
    both = tmp_path / "both.parquet"
    assert simkit("experiment", "export-data", small_run.path, out, "-o", both).status == 0
    assert pd.read_parquet(both)["source"].value_counts().to_dict() == {
        "closed form": 51,
        "aiperf": 2,
        "llm-d": 1,
    }


def test_a_folder_of_something_else_is_left_alone_by_import(tmp_path, simkit):
    (tmp_path / "thesis.tex").write_text("x")
    run = simkit("experiment", "import", samples.llmd(tmp_path / "in"), "-o", tmp_path)
    assert run.status == 2
    assert "holds something else" in run.err
