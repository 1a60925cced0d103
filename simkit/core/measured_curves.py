"""Curves for the Planner from what single engines were measured to take."""

from collections.abc import Mapping

import numpy as np

from simkit.core.measured import Run
from simkit.core.planner_profile import DecodeProfile, EngineProfile, PrefillProfile


def measured_prefill(engine: EngineProfile, runs: Mapping[str, Run]) -> PrefillProfile | None:
    """TTFT by prompt length, rising; None with fewer than two lengths."""
    known = {run.isl_tokens: run.ttft.mean_s for run in runs.values() if run.ttft.mean_s}
    if len(known) < 2:
        return None
    isl = np.array(sorted(known))
    ttft = np.array([known[length] for length in isl])
    per_gpu = isl / ttft * engine.lanes / engine.plan.num_gpus
    return PrefillProfile(isl_tokens=isl, ttft_s=ttft, tokens_per_s_per_gpu=per_gpu)


def measured_decode(engine: EngineProfile, runs: Mapping[str, Run], max_kv: int) -> DecodeProfile | None:
    """ITL by cache in use and context; None with fewer than four points."""
    rows = [
        (run.isl_tokens + run.osl_tokens / 2.0, run.concurrency, run.itl.mean_s)
        for run in runs.values()
        if run.itl.mean_s and run.concurrency
    ]
    if len(rows) < 4:
        return None
    context, requests, itl = np.array(rows, dtype=np.float64).T
    return DecodeProfile(
        kv_usage_frac=context * requests / max_kv,
        context_tokens=context,
        itl_s=itl,
        output_tokens_per_s_per_gpu=requests / itl / engine.plan.num_gpus,
        max_kv_tokens=max_kv,
    )
