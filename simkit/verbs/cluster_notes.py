"""Remarks on how an answer will run on the cluster: network, image, storage."""

from dataclasses import replace

from simkit.adapters.dynamo_network import fabric_hint, fabric_of
from simkit.adapters.releases import release_of, version_note
from simkit.core.deployment import Aggregated
from simkit.core.handover import handover_warning
from simkit.core.metrics import Recommendation
from simkit.core.problem import Problem


def with_cluster_notes(rec: Recommendation, problem: Problem) -> Recommendation:
    """The recommendation with warnings about the chosen deployment added."""
    notes = [note for note in _notes(rec, problem) if note]
    request = replace(rec.request, warnings=tuple(dict.fromkeys((*rec.request.warnings, *notes))))
    return replace(rec, request=request)


def _notes(rec: Recommendation, problem: Problem) -> list[str | None]:
    return [
        None if fabric_of(rec.request.hardware) else handover_warning(problem, rec.selected),
        fabric_hint(rec.request.hardware),
        _efa_note(rec),
        _version_note(rec),
    ]


def _efa_note(rec: Recommendation) -> str | None:
    fabric = fabric_of(rec.request.hardware)
    if fabric is None or fabric.name != "efa" or rec.selected.deployment.mode == "agg":
        return None
    return "EFA takes images built with its libraries; set spec.image to one whose tag ends in -efa-amd64"


def _version_note(rec: Recommendation) -> str | None:
    deploy, deployment = rec.request.deploy, rec.selected.deployment
    if deploy.mocker:
        return None
    pool = deployment.worker if isinstance(deployment, Aggregated) else deployment.decode
    return version_note(release_of(deploy.runtime_version_override, deploy.image), pool.engine)
