"""`simulate`: what it prints and writes, its exit status, and its refusals."""

import json

import numpy as np
import pytest

WORDS = ("simulate", "--model", "Qwen/Qwen3-32B-FP8", "--gpu", "h200_sxm", "--isl", "1000", "--osl", "50")
CLOSED = (*WORDS, "--concurrency", "8")
JSON = ("--format", "json", "--quiet")


def document(found):
    assert found.status in (0, 1), found.err
    return json.loads(found.out)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.jsonl"
    rows = [
        {"timestamp": 200 * i, "input_length": 1500, "output_length": 20, "hash_ids": [0, 1, 2 + i % 5]}
        for i in range(60)
    ]
    lines = [json.dumps(row) for row in rows]
    lines[10] = '{"timestamp": -5, "input_length": 1, "output_length": 1}'
    path.write_text("\n".join(lines))
    return path


def test_the_document_is_aiperfs_and_ours(simkit):
    found = document(simkit(*CLOSED, "--protocol", "inferencex", *JSON))
    assert found["request_count"]["avg"] == 80  # ten a slot
    assert 800 <= found["input_sequence_length"]["min"] <= found["input_sequence_length"]["max"] <= 1000
    for name in ("time_to_first_token", "inter_token_latency", "request_latency"):
        assert 0 < found[name]["min"] <= found[name]["p50"] <= found[name]["p99"] <= found[name]["max"]
    assert 4 < found["effective_concurrency"]["avg"] <= 8
    own = found["simkit"]
    assert set(own["closed_form"]) == {"benchmark", "steady"}
    assert own["settled"]["ttft_ms"] > 0
    assert own["load"]["requests_per_slot"] == 10
    assert own["deployment"]["num_gpus"] == 1
    latency_s = found["request_latency"]["avg"] / 1e3
    in_flight = found["request_throughput"]["avg"] * latency_s
    assert in_flight == pytest.approx(found["effective_concurrency"]["avg"], rel=1e-9)


def test_the_folder_holds_the_run(simkit, tmp_path):
    import pandas as pd

    out = tmp_path / "sim"
    bounds = ("--ttft", "60000", "--itl", "1000")
    found = simkit(*CLOSED, "--warmup", "8", *bounds, "-o", out, *JSON)
    assert found.status == 0
    names = {"summary.json", "requests.parquet", "timeline.csv", "timeline.png", "report.md"}
    assert {path.name for path in out.iterdir()} == names
    assert (out / "summary.json").read_text() == found.out
    summary, frame = json.loads(found.out), pd.read_parquet(out / "requests.parquet")
    counted = frame[frame["counted"]]
    assert (len(frame), len(counted)) == (168, 160)
    for name, column in (
        ("time_to_first_token", "ttft_s"),
        ("inter_token_latency", "itl_s"),
        ("request_latency", "e2e_s"),
    ):
        values = 1e3 * counted[column].to_numpy()
        assert summary[name]["avg"] == pytest.approx(np.mean(values), rel=1e-12)
        for q in (1, 5, 10, 25, 50, 75, 90, 95, 99):
            assert summary[name][f"p{q}"] == pytest.approx(np.percentile(values, q), rel=1e-12)
    assert summary["good_request_fraction"]["avg"] == 1.0
    assert summary["goodput"]["avg"] == pytest.approx(summary["request_throughput"]["avg"], rel=1e-12)
    first = counted["sent_s"].min()
    assert first >= frame.loc[~frame["counted"], "finished_s"].max()
    assert (out / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert "| TTFT |" in (out / "report.md").read_text()
    timeline = (out / "timeline.csv").read_text()
    (out / "timeline.csv").write_text(timeline.replace("time_s", "times", 1))
    damaged = simkit("report", out, "-o", tmp_path / "page")
    assert (damaged.status, "lacks the column time_s" in damaged.err) == (2, True)


def test_same_seed_same_bytes(simkit, tmp_path):
    rate = (*WORDS, "--rate", "5", "--requests", "60", "--length-cv", "0.5", "--burstiness", "0.5")
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simkit(*rate, "--seed", seed, "-o", tmp_path / name, *JSON)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    for name in ("summary.json", "requests.parquet", "timeline.csv"):
        assert written[0][name] != written[2][name]


def test_a_missed_bound_exits_one(simkit):
    missed = simkit(*CLOSED, "--ttft", "6", "--itl", "0.3")
    assert missed.status == 1
    assert "MISSES the SLA (mean): TTFT" in missed.out
    assert simkit(*CLOSED, "--ttft", "60000", "--itl", "1000", "--sla-statistic", "p99").status == 0
    assert simkit(*CLOSED).status == 0  # no bound asked for


def test_the_statistic_decides(simkit):
    own = document(simkit(*CLOSED, *JSON))
    between = 0.5 * (own["time_to_first_token"]["p50"] + own["time_to_first_token"]["max"])
    bounds = ("--ttft", between, "--itl", "1000")
    assert simkit(*CLOSED, *bounds, "--sla-statistic", "p50").status == 0
    late = simkit(*CLOSED, *bounds, "--sla-statistic", "max", *JSON)
    assert late.status == 1
    assert set(document(late)["simkit"]["sla"]["missed"]) == {"ttft_ms"}


def test_the_table_shows_both(simkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    found = simkit(*CLOSED, "--protocol", "inferencex")
    for text in ("TTFT", "ITL", "end to end", "p99", "settled", "closed form", "benchmark", "8 in flight"):
        assert text in found.out
    assert found.err == ""


def test_a_trace_is_replayed_and_its_faults_are_told(simkit, trace):
    found = simkit(*WORDS[:5], "--trace", trace, "--speedup", "2", "--replicas", "2", "--format", "json")
    assert found.status == 0
    assert found.err.splitlines() == [
        f"{trace}: line 11 left out: timestamp must be a number from 0 to 1e+13, got -5"
    ]
    own = json.loads(found.out)
    assert own["request_count"]["avg"] == 59
    assert own["input_sequence_length"]["avg"] == 1500
    assert own["simkit"]["deployment"]["replicas"] == 2
    assert own["simkit"]["load"]["trace"]["malformed"] == 1
    assert own["simkit"]["load"]["trace"]["faults"][0]["line"] == 11
    assert own["benchmark_duration"]["avg"] > 5.9  # 59 x 200 ms at twice the speed
    assert list(own["simkit"]["closed_form"]) == ["steady"]


def test_a_trace_under_concurrency(simkit, trace):
    own = document(simkit(*WORDS[:5], "--trace", trace, "--concurrency", "4", *JSON))
    assert own["effective_concurrency"]["max"] == 4
    assert own["request_count"]["avg"] == 59


def test_a_recommended_deployment_is_simulated(simkit, tmp_path):
    words = (
        "--model",
        "Qwen/Qwen3-32B",
        "--gpu",
        "h200_sxm",
        "--total-gpus",
        "8",
        "--isl",
        "500",
        "--osl",
        "20",
    )
    for mode in ("agg", "disagg"):
        out = tmp_path / mode
        simkit("recommend", *words, "--concurrency", "16", "--mode", mode, "-o", out, *JSON)
        selected = json.loads((out / "recommendation.json").read_text())["selected"]
        load = ("--isl", "500", "--osl", "20", "--concurrency", "16")
        own = document(simkit("simulate", out / "dgd.yaml", "--gpu", "h200_sxm", *load, *JSON))
        assert own["simkit"]["deployment"]["num_gpus"] == selected["num_gpus"]
        assert own["simkit"]["deployment"]["mode"] == mode


def test_an_engines_command_line_is_simulated(simkit):
    command = "vllm serve Qwen/Qwen3-32B-FP8 -tp 2 --max-num-seqs 4"
    load = ("--gpu", "h200_sxm", "--isl", "500", "--osl", "20", "--concurrency", "8")
    own = document(simkit("simulate", "--command", command, *load, *JSON))
    assert own["simkit"]["deployment"]["plan"]["tp"] == 2


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        ((), "--concurrency, --rate or --trace"),
        (("--concurrency", "2.5"), "whole slots"),
        (("--concurrency", "0"), "concurrency"),
        (("--concurrency", "4", "--rate", "2"), "--request-rate"),
        (("--rate", "2", "--request-rate", "2"), "same flag"),
        (("--rate", "nan"), "requestRate"),
        (("--rate", "2", "--arrivals", "uniform"), "poisson"),
        (("--rate", "2", "--arrivals", "gamma"), "--burstiness"),
        (("--rate", "2", "--arrivals", "constant", "--arrival-cv", "1"), "drop"),
        (("--rate", "2", "--burstiness", "1", "--arrival-cv", "1"), "drop one"),
        (("--concurrency", "4", "--requests", "0"), "at least 1"),
        (("--concurrency", "4", "--requests", "5", "--requests-per-slot", "5"), "drop one"),
        (("--concurrency", "4", "--protocol", "inferencx"), "inferencex"),
        (("--concurrency", "4", "--length-spread", "1"), "length_spread"),
        (("--concurrency", "4", "--length-spread", "0.2", "--length-cv", "1"), "drop one"),
        (("--concurrency", "4", "--speedup", "2"), "there is no --trace"),
        (("--concurrency", "4", "--shared-prefix", "1000"), "raise --isl"),
        (("--concurrency", "4", "--num-prefixes", "3"), "tell apart"),
        (("--concurrency", "4", "--seed", "-1"), "seed"),
        (("--concurrency", "4", "--router", "roundrobin"), "round_robin"),
        (("--concurrency", "4", "--replicas", "0"), "--replicas"),
        (("--concurrency", "4", "--replicas", "9", "--total-gpus", "8"), "9 GPUs"),
        (("--concurrency", "4", "--sla-statistic", "p98"), "p99"),
        (("--concurrency", "4", "--prefill", "1xtp1", "--decode", "1xtp1", "--replicas", "2"), "--replicas"),
        (("--trace", "absent.jsonl"), "absent.jsonl"),
        (("--trace", "absent.jsonl", "--length-cv", "1"), "--length-cv"),
        (("--trace", "absent.jsonl", "--speedup", "0"), "speed-up"),
        (("--trace", "absent.jsonl", "--trace-start", "5", "--trace-end", "5"), "holds no time"),
    ],
)
def test_faulty_flags(simkit, words, mentions):
    found = simkit(*WORDS, *words)
    assert found.status == 2
    assert found.err.startswith("simkit: ")
    assert found.err.count("\n") == 1
    assert mentions in found.err


def test_an_output_that_is_a_file(simkit, tmp_path):
    (tmp_path / "out").write_text("mine")
    found = simkit(*CLOSED, "-o", tmp_path / "out")
    assert found.status == 2
    assert "give a folder with -o" in found.err


def test_from_python():
    import simkit
    from simkit.core.request import Hardware, Request
    from simkit.core.workload import Workload
    from simkit.verbs.simulate import SimulateOptions

    request = Request(
        model="Qwen/Qwen3-32B-FP8",
        hardware=Hardware(gpu="h200_sxm"),
        workload=Workload(isl_tokens=500, osl_tokens=20, concurrency=4, requests_per_slot=10),
    )
    found = simkit.simulate(request, options=SimulateOptions(seed=3))
    assert found.run.summary.requests == 40
    assert found.meets_sla
    assert len(found.run.times) == 40
