"""Small result files of every tool, with numbers that are easy to check by hand."""

import json

# Ten requests: TTFT 100 ms, ITL 10 ms, 64 tokens, so e2e = 100 + 63 * 10 = 730 ms.
TTFT_MS, ITL_MS, E2E_MS, ISL, OSL = 100.0, 10.0, 730.0, 256.0, 64.0


def stats(mean, unit="ms", **more):
    values = {"avg": mean, "p50": mean, "p90": mean * 1.1, "p99": mean * 1.2, "std": mean * 0.05}
    return {"unit": unit, **values, **more}


def aiperf_export(**changes):
    return {
        "schema_version": "1.4", "aiperf_version": "0.13.0", "benchmark_id": "abc",
        "request_latency": stats(E2E_MS), "time_to_first_token": stats(TTFT_MS),
        "inter_token_latency": stats(ITL_MS), "inter_chunk_latency": stats(ITL_MS * 1.3),
        "input_sequence_length": stats(ISL, "tokens"), "output_sequence_length": stats(OSL, "tokens"),
        "request_count": {"unit": "requests", "avg": 40.0}, "request_error_rate": {"unit": "%", "avg": 20.0},
        "benchmark_duration": {"unit": "sec", "avg": 8.0},
        "output_token_throughput": {"unit": "tokens/sec", "avg": 320.0},
        "request_throughput": {"unit": "requests/sec", "avg": 5.0},
        "credit_to_start_latency": stats(3.0),
        "warmup_metrics": {"time_to_first_token": stats(9999.0)},
        "was_cancelled": False, "is_complete": True, "error_summary": [],
        "start_time": "2026-01-02T03:04:05",
        "run_info": {"cli_command": "aiperf profile -m tiny", "random_seed": 1},
        "input_config": {
            "models": {"items": [{"name": "tiny"}]},
            "endpoint": {"use_server_token_count": True, "extra": {"min_tokens": 64}},
            "datasets": [{"prompts": {"isl": {"mean": 256.0}, "osl": {"mean": 64.0}}}],
            "phases": [
                {"name": "warmup", "type": "concurrency", "concurrency": 99},
                {"name": "profiling", "type": "concurrency", "concurrency": 4, "requests": 40},
            ],
        },
        **changes,
    }  # fmt: skip


def server_metrics(benchmark_id="abc"):
    def series(*stats):
        return {"series": [{"stats": item} for item in stats]}

    return {
        "schema_version": "1.1", "benchmark_id": benchmark_id,
        "metrics": {
            "vllm:time_to_first_token_seconds": series({"count": 30, "sum": 2.7}, {"count": 10, "sum": 1.3}),
            "vllm:request_time_per_output_token_seconds": series({"count": 40, "sum": 0.39}),
            "vllm:inter_token_latency_seconds": series({"count": 400, "sum": 8.0}),
            "vllm:kv_cache_usage_perc": series({"max": 0.4}, {"max": 0.9}),
            "vllm:num_preemptions": series({"total": 2.0}, {"total": 3.0}),
            "vllm:prefix_cache_hits": series({"total": 25.0}),
            "vllm:prefix_cache_queries": series({"total": 100.0}),
            "vllm:e2e_request_latency_seconds": series({"count": 0}),
        },
    }  # fmt: skip


def record(number, phase="profiling", *, ttft=TTFT_MS, error=None):
    start = 1_000_000_000 * number
    line = {
        "metadata": {
            "x_request_id": f"r{number}", "benchmark_phase": phase, "was_cancelled": False,
            "request_start_ns": start, "request_end_ns": start + int((ttft + 63 * ITL_MS) * 1e6),
        },
        "metrics": {
            "time_to_first_token": {"value": ttft, "unit": "ms"},
            "request_latency": {"value": ttft + 63 * ITL_MS, "unit": "ms"},
            "inter_chunk_latency": {"value": [ITL_MS] * 63, "unit": "ms"},
            "input_sequence_length": {"value": 256, "unit": "tokens"},
            "output_sequence_length": {"value": 64, "unit": "tokens"},
        },
    }  # fmt: skip
    return {**line, "metrics": None, "error": {"message": error}} if error else line


def records_text(lines):
    return "".join(json.dumps(line) + "\n" for line in lines)


def vllm_bench(**changes):
    return {
        "date": "20260102-030405", "backend": "vllm", "model_id": "tiny", "num_prompts": 42,
        "request_rate": "inf", "max_concurrency": 4, "duration": 8.0, "completed": 40,
        "total_input_tokens": 10240, "total_output_tokens": 2560, "request_throughput": 5.0,
        "output_throughput": 320.0, "mean_ttft_ms": TTFT_MS, "median_ttft_ms": 99.0, "p99_ttft_ms": 120.0,
        "mean_tpot_ms": ITL_MS, "median_tpot_ms": 10.0, "p99_tpot_ms": 12.0,
        "mean_itl_ms": 13.0, "median_itl_ms": 12.0, "p99_itl_ms": 40.0,
        **changes,
    }  # fmt: skip


def guidellm(kind="concurrent", **strategy):
    def entry(mean):
        spread = {"p50": mean, "p90": mean * 1.1, "p99": mean * 1.2}
        return {"successful": {"mean": mean, "median": mean, "std_dev": 1.0, "percentiles": spread}}

    benchmark = {
        "type_": "generative_benchmark", "duration": 8.0,
        "config": {"strategy": {"type_": kind, **(strategy or {"streams": 4})}},
        "metrics": {
            "request_totals": {"successful": 40, "errored": 2, "incomplete": 1, "total": 43},
            "prompt_token_count": entry(ISL), "output_token_count": entry(OSL),
            "time_to_first_token_ms": entry(TTFT_MS), "inter_token_latency_ms": entry(ITL_MS),
            "time_per_output_token_ms": entry(E2E_MS / OSL), "request_latency": entry(E2E_MS / 1e3),
            "requests_per_second": entry(5.0), "output_tokens_per_second": entry(320.0),
            "request_concurrency": entry(3.9),
        },
    }  # fmt: skip
    return {"benchmarks": [benchmark]}


def inferencex(**changes):
    return {
        "hw": "h200", "conc": 4, "model": "tiny", "framework": "vllm", "precision": "fp8",
        "spec_decoding": "none", "disagg": False, "isl": 1024, "osl": 1024, "is_multinode": False,
        "tp": 8, "ep": 1, "dp_attention": "false", "tput_per_gpu": 100.0, "output_tput_per_gpu": 50.0,
        "mean_ttft": 0.1, "median_ttft": 0.09, "p99_ttft": 0.2, "mean_tpot": 0.01, "median_tpot": 0.01,
        "p99_tpot": 0.012, "mean_itl": 0.013, "mean_e2el": 9.3, "mean_intvty": 100.0,
        **changes,
    }  # fmt: skip
