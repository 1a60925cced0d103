"""What a recommendation should say beyond its numbers: partial support, weights without a volume."""

from dataclasses import replace

from perfmodels.params import total_params
from perfmodels.shape import ModelShape
from simkit.core.deployment import Aggregated, Deployment
from simkit.core.metrics import Candidate, Recommendation
from simkit.core.request import Request
from simkit.core.support import LARGE_MODEL_PARAMS, moe_support, python_fault

MANY_REPLICAS = 8  # engines that download at the same time; hubs limit the rate well before a hundred


def advised(rec: Recommendation, shape: ModelShape, python: tuple[int, int]) -> Recommendation:
    """The recommendation with its advice: warnings on the request, notes on candidates.

    python is the version of the interpreter that a local deployment would be started by.
    """
    deployment = rec.candidates[0].deployment
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
    note = f"Dynamo supports mixtures of experts on {backend} only in part; sglang has full support"
    estimate = replace(candidate.estimate, notes=(*candidate.estimate.notes, note))
    return replace(candidate, estimate=estimate)
