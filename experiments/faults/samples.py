"""Valid files of every kind that is read back, made by the verbs themselves in a folder."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments"), str(ROOT / "tests" / "fakes")]

ROWS = 12  # of a table
ASKED = (
    "--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--isl", "1000", "--osl", "100", "--concurrency", "16",
)  # fmt: skip
EXPERIMENT = """question: how does the load matter
do: predict
axes:
  model: Qwen/Qwen3-8B
  gpu: [h200_sxm, h100_sxm]
  backend: vllm
  tp: [1, 2]
  isl_tokens: 1000
  osl_tokens: 100
  concurrency: [4, 16]
sla:
  ttft_ms: 500
"""
PRICES = "h200_sxm: 3.5\nh100_sxm: 2.5\n"
TRACES = {
    "mooncake.jsonl": "\n".join(
        json.dumps({"timestamp": 100 * n, "input_length": 900, "output_length": 40, "hash_ids": [0, n]})
        for n in range(12)
    ),
    "azure.csv": "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    + "\n".join(f"2023-11-16 18:15:{n:02d}.68,{300 + n},44" for n in range(12)),
    "burstgpt.csv": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    + "\n".join(f"{n}.5,ChatGPT,{300 + n},44,344,Conversation log" for n in range(12)),
}
PARETO = (
    "index,model,isl,osl,concurrency,request_rate,ttft,tpot,request_latency,tokens/s,tokens/s/gpu,"
    "tokens/s/user,seq/s,num_total_gpus,tp,pp,dp,moe_tp,moe_ep,system,backend,version,gemm,moe\n"
    "0,Qwen/Qwen3-8B,1000,100,16,5,120,9,1000,1600,1600,110,16,1,1,1,1,1,1,h200_sxm,vllm,0.11.0,bf16,bf16\n"
    "1,Qwen/Qwen3-8B,1000,100,32,5,150,11,1200,2600,1300,90,26,2,2,1,1,1,1,h200_sxm,vllm,0.11.0,bf16,bf16\n"
)
COMMAND = (
    "docker run --gpus all vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B --tensor-parallel-size 2 "
    "--max-num-seqs 64 --gpu-memory-utilization 0.9 --kv-cache-dtype fp8"
)


def simkit(*words: object) -> None:
    """The command in this process; what it says goes nowhere."""
    import contextlib
    import io

    from simkit.cli.main import app

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        app(list(map(str, words)), prog_name="simkit", standalone_mode=False)


def make(folder: Path) -> Path:
    """All samples; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    simkit("recommend", *ASKED, "--total-gpus", 4, "--ttft", 500, "--itl", 30, "-o", folder / "rec")
    simkit("simulate", *ASKED, "--backend", "vllm", "--worker", "tp1", "--requests", 40, "-o", folder / "sim")
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    simkit("experiment", "run", folder / "experiment.yaml", "-o", folder / "sweep", "--quiet")
    for name, text in {
        "prices.yaml": PRICES, "pareto.csv": PARETO, "command.txt": COMMAND, **TRACES,
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    _tables(folder)
    _results(folder)
    _measured(folder)
    return folder


def _tables(folder: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(ROOT / "data" / "runs" / "serving_runs_fit.csv").dropna(subset=["ttft_ms_mean"])
    frame = pd.concat([frame.head(ROWS // 2), frame[frame["mode"] == "disagg"].head(ROWS // 2)])
    frame.to_csv(folder / "runs.csv", index=False)
    frame.to_parquet(folder / "runs.parquet", index=False)
    simkit("fit", "--own", folder / "runs.csv", "-o", folder / "own.json", "--quiet")


def _results(folder: Path) -> None:
    import result_samples as found

    texts = {
        "profile_export_aiperf.json": found.aiperf_export(), "vllm.json": found.vllm_bench(),
        "server_metrics_export.json": found.server_metrics(), "guidellm.json": found.guidellm(),
        "inferencex.json": found.inferencex(),
    }  # fmt: skip
    place = folder / "results"
    place.mkdir(exist_ok=True)
    for name, document in texts.items():
        (place / name).write_text(json.dumps(document))
    (place / "profile_export.jsonl").write_text(found.records_text([found.record(n) for n in range(6)]))
    for name in ("m30_sglang_one.jsonl", "m32_genai_perf.json", "m42_conv_hybrid.json", "m43_gptq8.json"):
        shutil.copy(ROOT / "tests" / "fixtures" / "field" / name, place / name)
    (place / "llmd.yaml").write_text(_llmd())


def _llmd() -> str:
    from simkit.io.yamlio import dump_yaml

    latency = {"units": "ms", "mean": 100.0, "p50": 90.0, "p99": 200.0, "stddev": 5.0}
    return dump_yaml({
        "version": "0.2",
        "run": {"uid": "x", "time": {"start": "2026-01-01T00:00:00Z"}},
        "scenario": {
            "stack": [{
                "metadata": {"kind": "inference_engine"},
                "standardized": {
                    "role": "replica", "tool": "vllm", "tool_version": "0.11.0",
                    "model": {"name": "Qwen/Qwen3-8B"},
                    "accelerator": {"model": "H200", "parallelism": {"tp": 2, "dp": 1, "pp": 1, "ep": 1}},
                },
            }],
            "load": {"standardized": {"rate_qps": 4.0, "input_seq_len": {"value": 1000}}},
        },
        "results": {"request_performance": {"aggregate": {
            "requests": {"total": 100, "failures": 1, "input_length": {"mean": 990.0},
                         "output_length": {"mean": 99.0}},
            "latency": {"time_to_first_token": latency, "time_per_output_token": latency,
                        "request_latency": latency},
            "throughput": {"output_token_rate": {"mean": 500.0}, "request_rate": {"mean": 4.0}},
        }}},
    })  # fmt: skip


def _measured(folder: Path) -> None:
    """A benchmark beside its prediction, and a profile, of a stand-in server."""
    from openai_server import openai_server

    from simkit.core.deployment import Aggregated, Pool
    from simkit.core.request import Hardware, Request
    from simkit.core.slo import Slo
    from simkit.core.workload import Workload
    from simkit.engines.registry import default_engine
    from simkit.formats.aiperf_command import BenchmarkOptions
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.measure.benchmark import compared, predict
    from simkit.measure.profile import ProfileSettings, profile
    from simkit.measure.profile_files import write_profile
    from simkit.measure.run import Meter, Server
    from simkit.measure.targets import Target

    load = Workload(isl_tokens=64, osl_tokens=8, concurrency=2)
    request = Request(
        model="Qwen/Qwen3-0.6B", backend="vllm", search_strategy="thorough", workload=load,
        hardware=Hardware(gpu="h100_sxm", total_gpus=2), slo=Slo(ttft_s=5.0, itl_s=5.0),
    )  # fmt: skip
    deployment = Aggregated(worker=Pool(plan=_plan(), engine=default_engine("vllm")))
    run = read_run(folder / "results" / "profile_export_aiperf.json")
    compared(run, folder / "bench", prediction=predict(replace(request, workload=_load_of(run)), deployment))
    meter = Meter(client="builtin", options=BenchmarkOptions(request_count=4, warmup_count=1), stall_s=0.5)
    with openai_server(ttft_s=0.002, itl_s=0.0005) as (url, _):
        target = Target(
            about="stand-in", start=lambda problem, candidate, at: _given(Server(url=url, model="tiny"))
        )
        asked = ProfileSettings(folder=folder / "profile", meter=meter, target=target)
        write_profile(profile(request, asked, lambda line: None), folder / "profile", "simkit profile")


def _plan() -> Any:
    from perfmodels.parallel import ParallelPlan

    return ParallelPlan()


def _load_of(run: Any) -> Any:
    from simkit.measure.doctor import workload_of_run

    return workload_of_run(run)


def _given(server: Any) -> Any:
    from contextlib import nullcontext

    return nullcontext(server)
