"""What a newcomer stumbles over: next steps that do not run, figures that are none, the same said twice."""

import csv
import json
import re
import shlex

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--backend", "vllm")
LENGTHS = ("--isl", "1000", "--osl", "200")
AGG = ("--mode", "agg")


def test_the_printed_next_step_runs(simkit, tmp_path):
    words = ("recommend", *QWEN, "--total-gpus", "1", *LENGTHS, "--itl", "30", *AGG, "-o", tmp_path / "out")
    shown = simkit(*words)
    step = re.search(r"simkit (deploy .*?--dry-run) shows", shown.out)
    done = simkit(*shlex.split(step[1]))
    assert (done.status, "kind: DynamoGraphDeployment" in done.out) == (0, True), done.err
    before = simkit("deploy", "--dry-run", tmp_path / "out")
    assert (before.status, before.out) == (0, done.out)


def test_a_bare_dry_run_keeps_its_hint_for_a_misspelt_kind(simkit, tmp_path):
    assert "did you mean server? expected client" in simkit("deploy", tmp_path, "--dry-run", "sever").err


def test_a_folder_is_simulated_at_the_load_it_was_made_for(simkit, tmp_path):
    words = (
        "--model",
        "Qwen/Qwen3-8B",
        "--gpu",
        "l40s",
        "--backend",
        "sglang",
        "--total-gpus",
        "3",
        *LENGTHS,
    )
    out = tmp_path / "out"
    simkit("recommend", *words, "--itl", "p90:40", "--mode", "disagg", "-o", out)
    made = json.loads((out / "recommendation.json").read_text())["selected"]
    assert made["concurrency"] != round(made["concurrency"])
    again = json.loads(simkit("estimate", out, "--format", "json").out)
    assert again["concurrency"] == made["concurrency"]
    assert again["ttft_ms"]["mean"] == pytest.approx(made["ttft_ms"]["mean"], rel=2e-5)
    played = simkit("simulate", out, "--requests", "100", "--quiet")
    assert f"{round(made['concurrency'])} in flight" in played.out, played.err


def test_a_table_with_rates_needs_no_column_of_requests_in_flight(simkit, tmp_path):
    table, out = tmp_path / "rates.csv", tmp_path / "out.csv"
    table.write_text(
        "model,gpu,backend,isl_tokens,osl_tokens,request_rate_per_s\nQwen/Qwen3-8B,h100_sxm,vllm,1000,200,3\n"
    )
    assert simkit("predict", table, "-o", out).status == 0
    (row,) = csv.DictReader(out.open(newline=""))
    asked = simkit(
        "estimate", *QWEN, *LENGTHS, "--request-rate", "3", "--worker", "1xtp1", "--format", "json"
    )
    assert float(row["predicted_ttft_ms_mean"]) == pytest.approx(
        json.loads(asked.out)["ttft_ms"]["mean"], rel=1e-5
    )


def test_the_nearest_run_is_shown_as_it_was_served_beside_what_predict_says_of_it(simkit, runs_csv, tmp_path):
    words = ("estimate", "--model", "Qwen/Qwen3-32B", "--gpu", "h100_sxm", "--backend", "vllm",
             "--worker", "1xtp2", "--isl", "1024", "--osl", "512", "--concurrency", "32")  # fmt: skip
    near = json.loads(simkit(*words, "--format", "json").out)["nearest_run"]
    assert {near["format"], near["version"]} == {"bf16", "0.12.0"}
    assert near["procedure"].startswith("benchmark: 320 requests, 32 in flight from an idle start")
    rows = list(csv.DictReader(runs_csv.open(newline="")))
    (row,) = [one for one in rows if abs(float(one["ttft_ms_mean"] or 0) - near["ttft_ms"]) < 1e-3]
    table, out = tmp_path / "row.csv", tmp_path / "out.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    simkit("predict", table, "-o", out)
    (told,) = csv.DictReader(out.open(newline=""))
    for name in ("ttft_ms", "itl_ms"):
        assert float(told[f"predicted_{name}_mean"]) == pytest.approx(near["predicted"][name], rel=1e-5)
    assert "predicted for it" in simkit(*words).out


def test_a_load_that_is_not_served_has_no_goodput_and_no_infinite_figures(simkit):
    load = (*QWEN, *LENGTHS, "--request-rate", "200", "--ttft", "500", "--itl", "30")
    shown = simkit("recommend", *load, "--total-gpus", "2", "--mode", "disagg", "--details")
    assert shown.status == 1
    assert "comes nearest" in shown.out
    assert re.search(r"\binf\b|\bnan\b|Goodput", shown.out) is None
    one = simkit("estimate", *load, "--worker", "1xtp1")
    assert "TTFT mean grows without end (at most 500: missed)" in one.out


def test_one_is_no_plural(simkit, tmp_path):
    shown = simkit(
        "recommend", *QWEN, "--total-gpus", "1", *LENGTHS, "--concurrency", "1", "--itl", "30", "--details"
    )
    assert re.search(r"\b1 (requests|GPUs|points|engines|candidates)\b", shown.out) is None
    assert "1 request in flight" in " ".join(shown.out.split())


def test_what_is_said_once_is_not_said_again(simkit):
    shown = simkit("recommend", *QWEN, "--total-gpus", "1", *LENGTHS, *AGG)
    said = " ".join(shown.out.split()).lower()
    assert said.count("nothing is judged") == 1
    assert "gpusku" not in said
    named = simkit("recommend", *QWEN[:2], "--gpu", "rtx 4090", "--total-gpus", "2", *LENGTHS, *AGG)
    assert "gpuSku" not in named.out


def test_the_number_in_flight_is_part_of_a_name_where_it_was_chosen(simkit):
    words = ("--isl", "200", "--osl", "100", "--ttft", "p99:300", "--itl", "p99:25", "--total-gpus", "2")
    shown = json.loads(simkit("recommend", *QWEN[:4], *words, "--format", "json").out)
    other = shown["expected_best"]["concurrency"]
    assert other != shown["selected"]["concurrency"]
    assert f" at {other:,.0f} in flight has better expected figures" in " ".join(shown["explanation"])


def test_memory_and_costliest_operators_are_told_of_both_pools(simkit):
    words = (*QWEN, *LENGTHS, "--prefill", "1xtp1", "--decode", "1xtp2", "--concurrency", "16")
    found = json.loads(simkit("estimate", *words, "--format", "json").out)
    assert found["memory_gib_by_pool"]["decode"] == found["memory_gib"]
    assert found["memory_gib_by_pool"]["prefill"]["weights"] > 1.9 * found["memory_gib"]["weights"]
    shown = " ".join(simkit("estimate", *words).out.split())
    assert "memory per prefill GPU" in shown
    assert re.search(r"bottleneck \w+: \w+ \(\d+% of a step\); \w+: \w+ \(\d+% of a step\)", shown)


def test_a_refused_run_says_how_far_off_without_an_exponent(simkit, tmp_path):
    table = tmp_path / "far.csv"
    heads = "model,gpu,backend,isl_tokens,osl_tokens,concurrency,ttft_ms_mean,itl_ms_mean"
    table.write_text(f"{heads}\nQwen/Qwen3-8B,h100_sxm,vllm,1000,200,8,80000,900\n")
    refused = simkit("fit", "--own", table, "-o", tmp_path / "own.json")
    assert refused.status == 2
    assert re.search(r"TTFT is \d,\d{3} times what is predicted", refused.err)


MI300 = ("--total-gpus", "8", "--isl", "2000", "--osl", "300", "--request-rate", "3", "--ttft", "p95:800")


def test_on_a_tie_what_was_measured_comes_before_an_extrapolation(simkit):
    """Each by itself holds the load on two GPUs; runs stand behind one of them alone."""
    words = ("recommend", "--model", "Qwen/Qwen3-32B", "--itl", "40", *MI300, "--format", "json", "--gpu")
    known, extrapolated = (
        json.loads(simkit(*words, name).out)["selected"] for name in ("h200_sxm", "mi300x")
    )
    assert known["num_gpus"] == extrapolated["num_gpus"] == 2
    assert (known["in_domain"], extrapolated["in_domain"]) == (True, False)
    both = json.loads(simkit(*words, "mi300x,h200_sxm").out)
    assert both["request"]["hardware"]["gpu"] == "h200_sxm"
    assert both["selected"]["ttft_ms"] == known["ttft_ms"]
    assert "mi300 ties within the noise of predictions (2 GPUs, an extrapolation)" in both["explanation"][0]


def test_an_extrapolated_choice_says_so_and_no_dgd_is_promised_where_there_is_none(simkit):
    shown = simkit("recommend", "--model", "Qwen/Qwen3-32B", "--itl", "40", *MI300, "--gpu", "mi300x")
    text = " ".join(shown.out.split())
    assert "The choice is an extrapolation" in text
    assert "-o DIR writes a report" in text
