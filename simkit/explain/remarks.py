"""Further sentences beside the answer: settings, fewest GPUs, goodput, partial support, missing volumes."""

from dataclasses import replace

from perfmodels.model.params import total_params
from perfmodels.model.shape import ModelShape
from simkit.core.deployment import Aggregated, Deployment, Pool
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.request import Request
from simkit.core.words import amount, at_most, counted, gpus, layout, listed
from simkit.engines.registry import default_engine, engine_names
from simkit.engines.support import LARGE_MODEL_PARAMS, moe_support, python_fault

# --- Further sentences beside the explanation: settings, the fewest GPUs, goodput, the knee of the front.


def remarks(rec: Recommendation) -> tuple[str, ...]:
    """One sentence each, as far as they apply."""
    if not rec.candidates:
        return ()
    found = (_settings(rec), _fewest(rec.unchosen), _most_rate(rec), _goodput(rec), _knee(rec))
    return tuple(text for text in found if text)


def settings_words(deployment: Deployment) -> str:
    """Settings that differ from the engine's defaults: `prefill: 16,384 tokens a step`; empty without any."""
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
        load = counted(workload.concurrency, "request in flight")
    elif workload.request_rate_per_s is not None:
        load = f"{workload.request_rate_per_s:g} requests/s"
    if load is None or not rec.meets_sla or rec.request.optimization in ("latency", "goodput", "cost"):
        return ""
    count = best.deployment.num_gpus
    does = "hold the SLA at" if rec.request.slo.judged else "carry"
    be, do = (
        ("is", does.replace("hold", "holds").replace("carry", "carries")) if count == 1 else ("are", does)
    )
    within = " within the defaults of Dynamo's profiler" if rec.request.slo.assumed else ""
    text = f"{gpus(count)} {be} the fewest that {do} {load}{within}"
    other = rec.expected_best
    if other is not None and other.deployment.num_gpus < count:
        fewer = other.deployment.num_gpus
        sure = (
            "with the probability shown" if rec.request.slo.judged else "with room for errors of predictions"
        )
        return f"{text} {sure}; {fewer} would be enough if predictions were exact."
    return f"{text}."


def _most_rate(rec: Recommendation) -> str:
    """How much more than asked the pick carries; nothing where it was simulated, which says more."""
    if rec.most_rate_per_s is None or rec.selected.simulated is not None:
        return ""
    return f"At this SLA it is expected to carry up to {at_most(rec.most_rate_per_s)} requests/s."


def _goodput(rec: Recommendation) -> str:
    found = rec.selected.simulated or rec.selected.estimate
    if found.goodput_per_s is None or not rec.request.slo.judged or rec.selected.estimate.overloaded:
        return ""  # a load that is not served has none to speak of
    share = found.goodput_per_s / max(found.request_rate_per_s, 1e-12)
    meet = "meet every SLA bound in the simulation"
    if rec.selected.simulated is None:
        meet = "are expected to meet every SLA bound"
    return (
        f"Goodput: {amount(found.goodput_per_s)} of {amount(found.request_rate_per_s)} requests/s "
        f"({share:.0%}) {meet}."
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


# --- What a recommendation should say beyond its numbers: partial support, weights without a volume.


MANY_REPLICAS = 8  # engines that download at the same time; hubs limit the rate well before a hundred


def advised(rec: Recommendation, shape: ModelShape, python: tuple[int, int]) -> Recommendation:
    """The recommendation with its advice: warnings on the request, notes on candidates.

    python is the version of the interpreter that a local deployment would be started by.
    """
    deployment = rec.selected.deployment
    warnings = (
        cache_advice(rec.request, shape, engines(deployment)),
        python_fault(deployment.backend, python),
    )
    return replace(
        rec,
        request=replace(rec.request, warnings=(*rec.request.warnings, *filter(None, warnings))),
        candidates=tuple(_marked(item, shape) for item in rec.candidates),
        pareto=tuple(_marked(item, shape) for item in rec.pareto),
    )


def engines(deployment: Deployment) -> int:
    """Engines in all pools."""
    if isinstance(deployment, Aggregated):
        return deployment.worker.replicas
    return deployment.prefill.replicas + deployment.decode.replicas


def cache_advice(request: Request, shape: ModelShape, replicas: int) -> str:
    """Why the weights should be on a volume; empty when they are, or nothing speaks for it."""
    deploy = request.deploy
    if deploy.model_cache is not None or deploy.cluster.model_cache_job or deploy.mocker:
        return ""
    size = total_params(shape)
    reasons = [
        f"the model has {size / 1e9:,.0f} billion parameters" if size > LARGE_MODEL_PARAMS else "",
        f"{replicas} engines start at once" if replicas >= MANY_REPLICAS else "",
        "the Planner starts further engines under load" if deploy.planner is not None else "",
    ]
    reasons = [reason for reason in reasons if reason]
    if not reasons:
        return ""
    return (
        f"no spec.modelCache: every engine downloads the weights by itself, and {' and '.join(reasons)}; "
        "put them on a ReadWriteMany volume and name it in spec.modelCache"
    )


def _marked(candidate: Candidate, shape: ModelShape) -> Candidate:
    backend = candidate.deployment.backend
    if not shape.is_moe or moe_support(backend) == "full":
        return candidate
    full = engine_names(lambda spec: spec.worker.moe_support == "full")
    has = "has" if len(full) == 1 else "have"
    note = f"Dynamo supports mixtures of experts on {backend} only in part; {listed(full)} {has} full support"
    estimate = replace(candidate.estimate, notes=(*candidate.estimate.notes, note))
    return replace(candidate, estimate=estimate)
