"""Further sentences beside the explanation: settings, the fewest GPUs, goodput, the knee of the front."""

from simkit.core.deployment import Deployment, Pool
from simkit.core.engine import default_engine
from simkit.core.metrics import Recommendation
from simkit.core.words import amount, gpus, layout


def remarks(rec: Recommendation) -> tuple[str, ...]:
    """One sentence each, as far as they apply."""
    if not rec.candidates:
        return ()
    found = (_settings(rec), _fewest(rec), _goodput(rec), _knee(rec))
    return tuple(text for text in found if text)


def settings_words(deployment: Deployment) -> str:
    """Settings that differ from an engine's usual ones: `prefill: 16,384 tokens a step`; or nothing."""
    names = ("",) if len(deployment.pools) == 1 else ("prefill: ", "decode: ")
    words = [
        f"{name}{pool.engine.max_num_batched_tokens:,} tokens a step"
        for name, pool in zip(names, deployment.pools, strict=True)
        if pool.engine.max_num_batched_tokens != _usual_budget(pool)
    ]
    draft = deployment.pools[-1].engine.draft
    return ", ".join([*words, *([] if draft is None else [f"speculative decoding ({draft.label})"])])


def _usual_budget(pool: Pool) -> int:
    return default_engine(pool.engine.backend).max_num_batched_tokens


def _settings(rec: Recommendation) -> str:
    deployment, tuning = rec.selected.deployment, rec.request.tuning
    words = settings_words(deployment)
    if tuning.kv_dtype in ("fp8", "both"):
        words = ", ".join(filter(None, [words, f"KV cache in {deployment.precision.kv}"]))
    return f"Engine settings of the choice: {words}." if words else ""


def _fewest(rec: Recommendation) -> str:
    """How few GPUs a load takes, where that is what was asked."""
    workload, best = rec.request.workload, rec.selected
    load = None
    if workload.concurrency is not None:
        load = f"{workload.concurrency:,.0f} requests in flight"
    elif workload.request_rate_per_s is not None:
        load = f"{workload.request_rate_per_s:g} requests/s"
    if load is None or not rec.meets_sla or rec.request.optimization in ("latency", "goodput"):
        return ""
    count = best.deployment.num_gpus
    does = "hold the SLA at" if rec.request.slo.bounds else "carry"
    be, do = (
        ("is", does.replace("hold", "holds").replace("carry", "carries")) if count == 1 else ("are", does)
    )
    text = f"{gpus(count)} {be} the fewest that {do} {load}"
    other = rec.expected_best
    if other is not None and other.deployment.num_gpus < count:
        fewer = other.deployment.num_gpus
        return f"{text} with the probability shown; {fewer} would do if predictions were exact."
    return f"{text}."


def _goodput(rec: Recommendation) -> str:
    found = rec.selected.simulated or rec.selected.estimate
    if found.goodput_per_s is None:
        return ""
    share = found.goodput_per_s / max(found.request_rate_per_s, 1e-12)
    verb = "keep every bound one by one as simulated"
    if rec.selected.simulated is None:
        verb = "are expected to keep every bound one by one"
    return (
        f"Of {amount(found.request_rate_per_s)} requests/s {amount(found.goodput_per_s)} ({share:.0%}) "
        f"{verb}: the goodput."
    )


def _knee(rec: Recommendation) -> str:
    if rec.knee is None:
        return ""
    point = rec.pareto[rec.knee]
    return (
        f"The Pareto front bends at {point.deployment.backend} {layout(point.deployment)} with "
        f"{point.estimate.concurrency:,.0f} in flight: {amount(point.estimate.tokens_per_s_per_user)} "
        f"tokens/s per user and {amount(point.estimate.output_tokens_per_s_per_gpu)} per GPU."
    )
