"""Engine command lines: estimated as they stand, or written as the DGD that runs the same engines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from simkit.catalog.models import load_model
from simkit.catalog.problems import cluster_device
from simkit.closed_form.one_deployment import SingleEstimate
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.formats.dgd.asked import ASKED_ANNOTATION, asked_flags, asked_text
from simkit.formats.dgd.render import render
from simkit.formats.engine_command.read import ImportedCommand
from simkit.io.yamlio import dump_yaml
from simkit.verbs.answer_files.folder import refuse_other_gpus

_TYPES: Mapping[str, Role] = MappingProxyType(
    {"worker": "aggregated", "prefill": "prefill", "decode": "decode"}
)


def imported_request(request: Request, imported: ImportedCommand) -> Request:
    """The request with what the command settles. Raises InputError where the two disagree."""
    backend, total = imported.deployment.backend, request.hardware.total_gpus
    if request.backend not in ("auto", backend):
        raise InputError(
            f"--backend {request.backend}: the command starts {backend}; drop --backend or change the command"
        )
    needed = imported.deployment.num_gpus
    if total is not None and needed > total:
        raise InputError(
            f"the command takes {needed} GPUs ({_layout(imported.deployment)}) and --total-gpus is {total}; "
            "raise it or use smaller sizes"
        )
    deploy = replace(request.deploy, trust_remote_code=imported.trust_remote_code)
    return replace(request, backend=backend, deploy=deploy)


def dgd_of_estimate(
    request: Request,
    result: SingleEstimate,
    carried: Mapping[Role, Sequence[str]] | None = None,
    folder: Path = Path(),
) -> tuple[str, tuple[str, ...]]:
    """The DGD that runs what was estimated, as YAML, and notes on what to see to.

    carried holds further arguments of the workers, by role: quantisation on loading, draft model; folder is
    the one that the DGD goes to.
    """
    refuse_other_gpus(request)
    deployment = result.candidate.deployment
    model = load_model(request.model).name
    documents: list[dict[str, Any]] = render(
        _without_draft(deployment),
        request,
        model=model,
        gpus_per_node=cluster_device(request).gpus_per_node,
        total_gpus=request.hardware.total_gpus or deployment.num_gpus,
    )
    _append_arguments(documents[-1], carried or {})
    annotations = documents[-1]["metadata"]["annotations"]
    asked = asked_flags(request, result.candidate.estimate.concurrency, folder)
    annotations[ASKED_ANNOTATION] = asked_text(asked)
    if request.slo.judged:
        annotations["simkit.io/meets-sla"] = "true" if result.candidate.meets_sla else "false"
    return dump_yaml(documents), _notes(model, carried)


def _notes(model: str, carried: Mapping[Role, Sequence[str]] | None) -> tuple[str, ...]:
    notes = []
    if carried is not None:
        notes.append("the DGD holds the settings that are modelled; add other engine flags by hand")
    if model.startswith(("/", ".", "~")):
        notes.append(f"the DGD names the model {model!r}: mount it at that path in every pod")
    return tuple(notes)


def _append_arguments(document: dict[str, Any], carried: Mapping[Role, Sequence[str]]) -> None:
    for component in document["spec"]["components"]:
        role = _TYPES.get(component.get("type"))
        if role is not None and role in carried:
            (container,) = component["podTemplate"]["spec"]["containers"]
            container["args"] = [*container["args"], *carried[role]]


def _layout(deployment: Deployment) -> str:
    if isinstance(deployment, Aggregated):
        return _pool(deployment.worker)
    return f"prefill {_pool(deployment.prefill)}, decode {_pool(deployment.decode)}"


def _pool(pool: Pool) -> str:
    return f"{pool.replicas} x {pool.plan.label}"


def _without_draft(deployment: Deployment) -> Deployment:
    """As the renderer takes it: a draft model is not one of its settings but among the carried arguments."""
    if isinstance(deployment, Disaggregated):
        return replace(deployment, prefill=_plain(deployment.prefill), decode=_plain(deployment.decode))
    return replace(deployment, worker=_plain(deployment.worker))


def _plain(pool: Pool) -> Pool:
    return replace(pool, engine=replace(pool.engine, speculative=False))
