"""The AIPerfJob with which AIPerf's operator measures a deployment under the load it was predicted for."""

import math
from typing import Any

from simkit.core.estimate import Recommendation
from simkit.core.request import Request
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions, request_counts, shared_tokens, workload_of

AIPERF_API = "aiperf.nvidia.com/v1alpha1"
IMAGE = "nvcr.io/nvidia/aiperf:0.13.0"  # the release whose fields these are
_PORT = 8000
_TAGS = {"ttft_s": "time_to_first_token", "itl_s": "inter_token_latency", "e2e_s": "request_latency"}


def aiperf_job(rec: Recommendation, deployed: str, name: str) -> dict[str, Any]:
    """The manifest: the same requests, counts and bounds as in benchmark.sh. deployed is the DGD's name."""
    return job_of_request(rec.request, workload_of(rec), BenchmarkOptions(), deployed, name)


def job_of_request(
    request: Request, workload: Workload, options: BenchmarkOptions, deployed: str, name: str
) -> dict[str, Any]:
    """As aiperf_job, of a workload that says its load."""
    slo = request.slo
    requests, warmups = request_counts(workload, options)
    load = _load(workload)
    phases = [{"name": "profiling", **load, "requests": requests}]
    if warmups:
        warm = {"name": "warmup", **load, "excludeFromResults": True, "requests": warmups}
        phases = [warm, *phases]
    namespace = request.deploy.namespace
    benchmark: dict[str, Any] = {
        "model": request.model,
        "endpoint": {
            "url": f"http://{deployed}-frontend:{_PORT}/v1/chat/completions",
            "type": "chat",
            "streaming": True,
            "useServerTokenCount": True,
            "extra": {"ignore_eos": True, "min_tokens": _shortest(workload)},
        },
        "dataset": {"type": "synthetic", "entries": requests + warmups, **_prompts(workload)},
        "phases": phases,
    }
    if slo.bounds:
        benchmark["slos"] = {_TAGS[metric]: round(bound * 1e3, 6) for metric, bound in slo.bounds.items()}
    return {
        "apiVersion": AIPERF_API,
        "kind": "AIPerfJob",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {"image": IMAGE, "randomSeed": options.seed, "benchmark": benchmark},
    }


def _load(workload: Workload) -> dict[str, Any]:
    if workload.request_rate_per_s is not None:
        return {"type": "poisson", "rate": workload.request_rate_per_s}
    return {"type": "concurrency", "concurrency": max(1, round(workload.concurrency or 1))}


def _shortest(workload: Workload) -> int:
    return max(1, math.floor(max(1, round(workload.osl_tokens)) * (1 - workload.length_spread)))


def _prompts(workload: Workload) -> dict[str, Any]:
    shared = shared_tokens(workload)
    common = {"prefixPrompts": {"sharedSystemLength": shared}} if shared else {}
    return {"prompts": _lengths(workload, shared), **common}


def _lengths(workload: Workload, shared: int) -> dict[str, Any]:
    isl, osl = max(1, round(workload.isl_tokens)) - shared, max(1, round(workload.osl_tokens))
    fixed = {"isl": {"mean": isl, "stddev": 0}, "osl": {"mean": osl, "stddev": 0}}
    if not workload.length_spread:
        return fixed
    ratio = round(1 - workload.length_spread, 6)
    spread = {"randomCorpusStyle": "sglang", "randomRangeRatio": ratio}
    return {"isl": {"mean": isl}, "osl": {"mean": osl}, **spread}
