"""Remarks on how an answer will run on the cluster: network, image, storage."""

from dataclasses import replace

from simkit.closed_form.kv_transfer import handover_warning
from simkit.closed_form.problem import Problem
from simkit.core.estimate import Recommendation
from simkit.core.words import gpus
from simkit.engines.release_notes import version_note
from simkit.engines.releases import Release, release_of, unknown_release_note
from simkit.formats.dgd.network import fabric_hint, fabric_of
from simkit.formats.planner.config import field_since


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
        _nodes_note(rec),
        _version_note(rec),
        _planner_note(rec),
    ]


def _efa_note(rec: Recommendation) -> str | None:
    fabric = fabric_of(rec.request.hardware)
    if fabric is None or not fabric.image_suffix:
        return None
    if rec.selected.deployment.mode == "agg" and not _spans_nodes(rec):
        return None
    return (
        f"workers run the images ending in {fabric.image_suffix}, which hold the libraries of "
        f"{fabric.name}; where your registry has others, name them by spec.overrides.dgd"
    )


def _nodes_note(rec: Recommendation) -> str | None:
    """What must be installed where an engine spans nodes; the operator refuses the deployment otherwise."""
    if rec.request.deploy.mocker or not _spans_nodes(rec):
        return None
    per_node = rec.request.hardware.gpus_per_node
    text = f"engines of {gpus(_widest(rec))} span nodes of {per_node}: the cluster needs "
    if rec.request.deploy.cluster.orchestrator == "lws":
        return text + "LeaderWorkerSet, and Volcano to start their pods together"
    return text + (
        f"Grove {_release(rec).grove} or later, with KAI scheduler recommended, or LeaderWorkerSet "
        "(--orchestrator lws)"
    )


def _widest(rec: Recommendation) -> int:
    return max(pool.plan.num_gpus for pool in rec.selected.deployment.pools)


def _spans_nodes(rec: Recommendation) -> bool:
    per_node = rec.request.hardware.gpus_per_node
    return per_node is not None and _widest(rec) > per_node


def _version_note(rec: Recommendation) -> str | None:
    deploy = rec.request.deploy
    unknown = unknown_release_note(deploy.runtime_version_override, deploy.image)
    if unknown or deploy.mocker:
        return unknown
    return version_note(_release(rec), rec.selected.deployment.pools[-1].engine)


def _planner_note(rec: Recommendation) -> str | None:
    """Settings that the image's Planner is too old to know, and passes over in silence."""
    release = _release(rec)
    late = [name for name in rec.request.deploy.planner or {} if release.number < field_since(name)]
    if not late:
        return None
    return f"spec.features.planner: Dynamo {release.name}'s Planner ignores {', '.join(sorted(late))}"


def _release(rec: Recommendation) -> Release:
    deploy = rec.request.deploy
    return release_of(deploy.runtime_version_override, deploy.image)
