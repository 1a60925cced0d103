"""Small sweeps of other tools, written as those tools write them; numbers are made up."""

import csv
import json
import sys
from pathlib import Path

import pyarrow as pa
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))
import result_samples as samples

MODEL = "Qwen/Qwen3-8B"
_AGG = (
    *("model", "isl", "osl", "prefix", "concurrency", "request_rate", "bs", "global_bs", "ttft", "tpot"),
    *("request_latency", "seq/s", "seq/s/gpu", "tokens/s", "tokens/s/gpu", "tokens/s/user", "num_total_gpus"),
    *("tp", "pp", "dp", "moe_tp", "moe_ep", "parallel", "gemm", "kvcache", "fmha", "moe", "comm", "memory"),
    *("balance_score", "num_ctx_reqs", "num_gen_reqs", "num_tokens", "ctx_tokens", "gen_tokens", "backend"),
    *("version", "system", "power_w"),
)


def aiconfigurator_agg(folder):
    """One aggregated point, as in agg/pareto.csv."""
    row = dict.fromkeys(_AGG, "")
    row |= {
        "model": MODEL, "isl": 1000, "osl": 200, "concurrency": 16, "ttft": 60.0, "tpot": 8.0,
        "request_latency": 1652.0, "seq/s": 9.7, "tokens/s": 1940.0, "tokens/s/gpu": 970.0,
        "tokens/s/user": 125.0, "num_total_gpus": 2, "tp": 2,
        "pp": 1, "dp": 1, "moe_tp": 1, "moe_ep": 1, "gemm": "bfloat16", "moe": "bfloat16", "backend": "vllm",
        "version": "0.10.0", "system": "h200_sxm",
    }  # fmt: skip
    return _written(folder / "agg" / "pareto.csv", row)


def aiconfigurator_disagg(folder):
    """One disaggregated point, as in disagg/pareto.csv."""
    row = {
        "model": MODEL, "isl": 1000, "osl": 200, "prefix": 0, "concurrency": 16, "request_rate": 9.0,
        "(p)bs": 1,
        "(p)workers": 1, "(d)bs": 16, "(d)workers": 2, "ttft": 70.0, "tpot": 7.0, "request_latency": 1463.0,
        "seq/s": 10.0, "seq/s/gpu": 3.3, "tokens/s": 2000.0, "tokens/s/gpu": 500.0, "tokens/s/user": 142.0,
        "num_total_gpus": 4, "power_w": 0,
    }  # fmt: skip
    for mark, tp in (("(p)", 2), ("(d)", 1)):
        row |= {f"{mark}{name}": 1 for name in ("pp", "dp", "moe_tp", "moe_ep")} | {f"{mark}tp": tp}
        row |= {f"{mark}gemm": "bfloat16", f"{mark}moe": "bfloat16", f"{mark}backend": "vllm"}
        row |= {f"{mark}version": "0.10.0", f"{mark}system": "h200_sxm"}
    return _written(folder / "disagg" / "pareto.csv", row)


def _written(path, row):
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(row))
        writer.writeheader()
        writer.writerow(row)
    return path


def aiperf_sweep(folder):
    """A sweep of two concurrencies."""
    for slots in (1, 4):
        _json(folder / f"concurrency_{slots}" / "profile_export_aiperf.json", _export(slots))
    return folder


def aiperf_operator(folder):
    """Results as AIPerf's operator stores them: namespace, job, time of the run; one of them compressed."""
    _json(folder / "bench" / "job-a" / "1714069323" / "profile_export_aiperf.json", _export(1))
    packed = folder / "bench" / "job-b" / "1714069400" / "profile_export_aiperf.json.zst"
    packed.parent.mkdir(parents=True)
    with pa.output_stream(str(packed), compression="zstd") as stream:
        stream.write(json.dumps(_export(4)).encode())
    return folder


def _export(slots):
    export = samples.aiperf_export()
    export["input_config"]["models"]["items"][0]["name"] = MODEL
    export["input_config"]["phases"][1]["concurrency"] = slots
    return export


def vllm_sweep(folder):
    """Two runs of one combination, their summary beside them."""
    base = folder / "20260102_030405" / "SERVE--tensor_parallel_size=2-BENCH--max_concurrency=4"
    runs = [
        samples.vllm_bench(
            model_id=MODEL, run_number=number, tensor_parallel_size=2, mean_ttft_ms=100.0 + number
        )
        for number in (0, 1)
    ]
    for number, run in enumerate(runs):
        _json(base / f"run={number}.json", run)
    _json(base / "summary.json", runs)
    return folder


def inferencex(folder):
    """One point on one node, one of two pools."""
    point = {
        "hw": "h200", "conc": 16, "model": MODEL, "framework": "vllm", "precision": "bf16", "isl": 1000,
        "osl": 200,
        "is_multinode": False, "tp": 2, "ep": 1, "dp_attention": "false", "tput_per_gpu": 5000.0,
        "output_tput_per_gpu": 900.0, "mean_ttft": 0.08, "mean_tpot": 0.009, "mean_itl": 0.009,
        "mean_e2el": 1.9,
    }  # fmt: skip
    _json(folder / "agg_a.json", point)
    pools = {f"{role}_{name}": 1 for role in ("prefill", "decode") for name in ("tp", "ep", "num_workers")}
    _json(
        folder / "agg_b.json",
        point | pools | {"is_multinode": True, "num_prefill_gpu": 1, "num_decode_gpu": 1},
    )
    return folder


def llmd(folder):
    """A Benchmark Report v0.2 in YAML."""
    engine = {
        "metadata": {"kind": "inference_engine", "label": "vllm-0", "cfg_id": "x"},
        "standardized": {
            "tool": "vllm", "tool_version": "0.10.0", "role": "replica", "model": {"name": MODEL},
            "accelerator": {
                "model": "NVIDIA-H200", "count": 2, "parallelism": {"dp": 1, "ep": 1, "pp": 1, "tp": 2},
            },
        },
        "native": {},
    }  # fmt: skip
    latency = {
        "time_to_first_token": {"units": "s", "mean": 0.08, "p99": 0.2},
        "time_per_output_token": {"units": "ms/token", "mean": 9.0},
        "request_latency": {"units": "s", "mean": 1.9},
    }
    aggregate = {
        "requests": {
            "total": 162, "failures": 2,
            "input_length": {"units": "count", "mean": 1000.0},
            "output_length": {"units": "count", "mean": 200.0},
        },
        "latency": latency,
        "throughput": {
            "output_token_rate": {"units": "tokens/s", "mean": 1700.0},
            "requests_rate": {"units": "queries/s", "mean": 8.5},
        },
    }  # fmt: skip
    load = {
        "standardized": {
            "tool": "inference-perf",
            "tool_version": "0.2",
            "source": "random",
            "concurrency": 16,
        }
    }
    report = {
        "version": "0.2", "run": {"uid": "u", "time": {"start": "2026-01-02T03:04:05Z"}},
        "scenario": {"stack": [engine, engine], "load": load},
        "results": {"request_performance": {"aggregate": aggregate}},
    }  # fmt: skip
    path = folder / "benchmark_report,_stage_0.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(report))
    return path


def _json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
