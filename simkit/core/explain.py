"""The answer in words: what was chosen, what binds, what else was close."""

from simkit.core.deployment import Aggregated, Deployment
from simkit.core.metrics import Candidate
from simkit.core.slo import Slo


def layout(deployment: Deployment) -> str:
    """`4 x tp4` or `3 prefill x tp2 + 1 decode x tp4`."""
    if isinstance(deployment, Aggregated):
        return f"{deployment.worker.replicas} x {deployment.worker.plan.label}"
    prefill, decode = deployment.prefill, deployment.decode
    return (
        f"{prefill.replicas} prefill x {prefill.plan.label} + {decode.replicas} decode x {decode.plan.label}"
    )


def gpus(count: int) -> str:
    """`1 GPU`, `4 GPUs`."""
    return f"{count} GPU" + ("" if count == 1 else "s")


def explanation(candidates: tuple[Candidate, ...], slo: Slo, *, meets_sla: bool) -> tuple[str, ...]:
    """Three sentences: the choice, what binds or is missed, the runner-up."""
    return (_choice(candidates[0]), _bounds(candidates[0], slo, meets_sla=meets_sla), _runner_up(candidates))


def _choice(best: Candidate) -> str:
    estimate, deployment = best.estimate, best.deployment
    mode = "aggregated" if deployment.mode == "agg" else "disaggregated"
    return (
        f"{deployment.backend} {mode}, {layout(deployment)} on {gpus(deployment.num_gpus)}, is expected to "
        f"give {estimate.output_tokens_per_s:,.0f} output tokens/s "
        f"({estimate.output_tokens_per_s_per_gpu:,.0f} per GPU) at {estimate.concurrency:,.0f} requests in "
        f"flight; {estimate.bottleneck} takes most of the time."
    )


def _bounds(best: Candidate, slo: Slo, *, meets_sla: bool) -> str:
    if not slo.bounds:
        return "No latency bound was given, so throughput alone decided."
    if "overloaded" in " ".join(best.estimate.notes):
        return (
            "No configuration within the GPUs sustains the load asked for; the one shown comes nearest with "
            f"{best.estimate.request_rate_per_s:,.2f} requests/s: add GPUs or lower the load."
        )
    means = {"ttft_s": best.estimate.ttft.mean_s, "itl_s": best.estimate.itl.mean_s}
    means["e2e_s"] = best.estimate.e2e.mean_s
    ratios = {name: means[name] / bound for name, bound in slo.bounds.items()}
    tightest = max(ratios, key=lambda name: ratios[name])
    label = tightest.removesuffix("_s").upper()
    bound_ms, value_ms = slo.bounds[tightest] * 1e3, means[tightest] * 1e3
    if meets_sla:
        return (
            f"The tightest bound is {label}: {value_ms:,.1f} ms expected against {bound_ms:,.1f} ms; the "
            f"probability that all bounds hold is {best.estimate.sla_probability or 0.0:.0%}."
        )
    return (
        f"No configuration within the GPUs holds the SLA; the nearest misses {label} with {value_ms:,.1f} ms "
        f"against {bound_ms:,.1f} ms: relax that bound by {ratios[tightest] - 1:.0%} or add GPUs."
    )


def _runner_up(candidates: tuple[Candidate, ...]) -> str:
    if len(candidates) == 1:
        return "No other layout was left to compare with."
    first, second = candidates[0].estimate, candidates[1].estimate
    name = f"{candidates[1].deployment.backend} {layout(candidates[1].deployment)}"
    extra = candidates[1].deployment.num_gpus - candidates[0].deployment.num_gpus
    gain = second.output_tokens_per_s_per_gpu / max(first.output_tokens_per_s_per_gpu, 1e-12) - 1.0
    more = f"{gpus(abs(extra))} {'more' if extra > 0 else 'fewer'}" if extra else "the same number of GPUs"
    return f"The runner-up, {name}, uses {more} and gives {gain:+.0%} output tokens/s per GPU."
