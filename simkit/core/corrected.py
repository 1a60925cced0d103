"""Disaggregated candidates corrected by what their engines were measured to take, each alone."""

import math
from collections.abc import Mapping
from dataclasses import replace

from simkit.core.deployment import Disaggregated
from simkit.core.metrics import Candidate, Latency
from simkit.core.slo import Slo
from simkit.core.trials import engine_name
from simkit.core.workload import Workload


def mean_factor(pairs: list[tuple[float, float]]) -> float | None:
    """Geometric mean of measured over predicted; None without pairs."""
    logs = [math.log(measured / predicted) for predicted, measured in pairs if measured > 0 and predicted > 0]
    return math.exp(sum(logs) / len(logs)) if logs else None


def with_factors(
    candidate: Candidate, workload: Workload, slo: Slo, factors: Mapping[str, float]
) -> Candidate:
    """The candidate with TTFT times its prefill engine's factor and ITL times its decode engine's.

    factors are by engine name; what has none stays. Aggregated candidates stay as they are.
    """
    deployment = candidate.deployment
    if not isinstance(deployment, Disaggregated):
        return candidate
    backend = deployment.backend
    prefill = factors.get(engine_name("prefill", deployment.prefill.plan, backend), 1.0)
    decode = factors.get(engine_name("decode", deployment.decode.plan, backend), 1.0)
    estimate = candidate.estimate
    ttft, itl = _scaled(estimate.ttft, prefill), _scaled(estimate.itl, decode)
    decodes = max(workload.osl_tokens * (1.0 - workload.length_spread / 2.0) - 1.0, 0.0)
    e2e = Latency(**{name: getattr(ttft, name) + decodes * getattr(itl, name) for name in Latency.__slots__})
    gain = 1.0 if workload.request_rate_per_s is not None else estimate.e2e.mean_s / e2e.mean_s
    means = {"ttft_s": ttft.mean_s, "itl_s": itl.mean_s, "e2e_s": e2e.mean_s}
    changed = replace(
        estimate,
        ttft=ttft,
        itl=itl,
        e2e=e2e,
        output_tokens_per_s=estimate.output_tokens_per_s * gain,
        output_tokens_per_s_per_gpu=estimate.output_tokens_per_s_per_gpu * gain,
        request_rate_per_s=estimate.request_rate_per_s * gain,
        tokens_per_s_per_user=1.0 / itl.mean_s if itl.mean_s > 0 else math.inf,
    )
    holds = all(means[name] <= bound for name, bound in slo.bounds.items())
    return replace(candidate, estimate=changed, meets_sla=holds)


def _scaled(latency: Latency, factor: float) -> Latency:
    return Latency(**{name: getattr(latency, name) * factor for name in Latency.__slots__})
