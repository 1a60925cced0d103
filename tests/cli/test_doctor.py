"""`simkit doctor` as a command."""

import json
from dataclasses import replace

from simkit.core.measured import MeasuredSpread, Run, ServerSide, Source
from simkit.formats.benchmark_results.stored import run_document

RUN = Run(
    source=Source(tool="aiperf", path="run"), isl_tokens=4000, osl_tokens=500, concurrency=48,
    requests_per_slot=10, num_requests=480, ttft=MeasuredSpread(mean_s=9.0), itl=MeasuredSpread(mean_s=0.2),
    server=ServerSide(kv_usage_frac=0.99, preemptions=12.0),
)  # fmt: skip


def test_causes_come_ranked_with_what_would_tell(simkit, tmp_path):
    dgd, gpu = tmp_path / "dgd.yaml", ("--gpu", "h100_sxm")
    made = simkit("estimate", "--command", "vllm serve Qwen/Qwen3-32B -tp 4", *gpu, "--dgd", dgd)
    assert made.status == 0
    (tmp_path / "run.json").write_text(json.dumps(run_document(RUN)))
    done = simkit("doctor", dgd, tmp_path / "run.json", *gpu, "--format", "json")
    assert done.status == 1
    causes = json.loads(done.out)["causes"]
    assert all(cause["tell"] for cause in causes)
    scores = [cause["score"] for cause in causes]
    assert scores == sorted(scores, reverse=True)
    table = simkit("doctor", dgd, tmp_path / "run.json", *gpu)
    assert "Causes, the likeliest first" in table.out
    assert "longer than predicted, outside the interval" in table.out.replace("\n", " ")
    assert "longer than predicted" in json.loads(done.out)["verdict"]


def test_a_run_inside_the_intervals_needs_no_explanation(simkit, tmp_path):
    made = simkit(
        "recommend", "--model", "Qwen/Qwen3-32B", "--gpu", "h100_sxm", "--total-gpus", "2", "--isl", "4000",
        "--osl", "500", "--concurrency", "16", "--backend", "vllm", "--mode", "agg", "-o", tmp_path / "out",
        "--ttft", "9000",
    )  # fmt: skip
    assert made.status == 0
    said = json.loads((tmp_path / "out" / "recommendation.json").read_text())["selected"]
    means = {name: MeasuredSpread(mean_s=1.03e-3 * said[f"{name}_ms"]["mean"]) for name in ("ttft", "itl")}
    run = replace(RUN, concurrency=16, requests_per_slot=None, server=None, **means)
    (tmp_path / "run.json").write_text(json.dumps(run_document(run)))
    done = simkit("doctor", tmp_path / "out", tmp_path / "run.json")
    assert done.status == 0, done.err
    assert "nothing to explain" in done.out
    assert "--gpu h100_sxm" in done.err and "--isl" not in done.err


def test_what_is_no_result_is_status_2(simkit, tmp_path):
    dgd = tmp_path / "dgd.yaml"
    simkit("estimate", "--command", "vllm serve Qwen/Qwen3-32B -tp 4", "--gpu", "h100_sxm", "--dgd", dgd)
    done = simkit("doctor", dgd, tmp_path, "--gpu", "h100_sxm")
    assert done.status == 2
    assert "profile_export_aiperf.json" in done.err
