"""A deployment as the Kubernetes documents that Dynamo's operator takes. Pure: values in, documents out."""

import hashlib
from typing import Any

from simkit.core.deployment import Deployment
from simkit.core.errors import InputError, unknown_name
from simkit.core.request import Request
from simkit.engines.multinode import GROVE_ANNOTATION, KAI_QUEUE_ANNOTATION
from simkit.engines.registry import engine_spec
from simkit.formats.dgd.alpha import BETA, to_v1alpha1
from simkit.formats.dgd.components import frontend, worker
from simkit.formats.dgd.override import apply_override
from simkit.formats.dgd.planner_component import planner_component, planner_config_map, profile_config_map
from simkit.formats.dgd.site import (
    DRAFT_ANNOTATION,
    EXPERTS_ANNOTATION,
    HF_SECRET,
    PRECISION_ANNOTATION,
    Site,
)
from simkit.formats.dgd.storage import cache_documents
from simkit.formats.kubernetes import merge
from simkit.formats.unfilled import revision_label

# --- The profiling Job as Dynamo's operator makes it from a request, with spec.overrides.profilingJob merged.


Document = dict[str, Any]

OUTPUT = "/data"
_ACCOUNT = "dgdr-profiling-job"
_USER = 1000
_BACKOFF = 3


def profiling_job(site: Site, config: str) -> Document:
    """A Job that profiles for the request whose spec, as JSON, is `config`.

    The model's volume is mounted read-only, as in the deployment. Raises InputError where the override
    does not fit a Job.
    """
    deploy = site.request.deploy
    namespace = {"namespace": deploy.namespace} if deploy.namespace else {}
    spec: Document = {
        "backoffLimit": _BACKOFF,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": _ACCOUNT,
                "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
                "containers": [_container(site, config)],
                "volumes": [{"name": "output", "emptyDir": {}}, *site.volumes()],
            }
        },
    }
    if deploy.profiling_job:
        spec = merge(spec, deploy.profiling_job, "spec.overrides.profilingJob")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"profile-{deploy.name}"[:63].rstrip("-."), **namespace},
        "spec": spec,
    }


def _container(site: Site, config: str) -> Document:
    return {
        "name": "profiler",
        "image": site.request.deploy.image or site.image("dynamo-planner"),
        "command": ["python3", "-m", "dynamo.profiler"],
        "args": ["--config", config, "--output-dir", OUTPUT],
        "envFrom": [{"secretRef": {"name": HF_SECRET, "optional": True}}],
        "volumeMounts": [{"name": "output", "mountPath": OUTPUT}, *site.volume_mounts()],
    }


VERSIONS = ("v1beta1", "v1alpha1")
MAX_NAME = 45  # deployment name and component name together, in the names of pods
_LONGEST_COMPONENT = len("Frontend")


def render(
    deployment: Deployment,
    request: Request,
    *,
    model: str,
    gpus_per_node: int,
    total_gpus: int | None,
    version: str = "v1beta1",
) -> list[dict[str, Any]]:
    """The documents to apply: volume claim, Job and ConfigMaps first, the DynamoGraphDeployment last.

    model is the name under which the model is served. An engine larger than gpus_per_node spans
    nodes. total_gpus bounds the Planner. Raises InputError when the deployment cannot be written.
    """
    site = Site(
        deployment=deployment,
        request=request,
        model=model,
        gpus_per_node=gpus_per_node,
        total_gpus=total_gpus,
    )
    return render_site(site, version)


def render_site(site: Site, version: str = "v1beta1") -> list[dict[str, Any]]:
    """As `render`, for a Site that may hold profiling data for its Planner or mocker."""
    if version not in VERSIONS:
        raise unknown_name("DGD version", version, VERSIONS)
    request, deployment = site.request, site.deployment
    metadata = _metadata(request)
    name = dgd_name(request)
    cache = cache_documents(site, metadata, name)
    config_maps = [] if request.deploy.planner is None else [planner_config_map(site, metadata)]
    components = [frontend(site), *(worker(site, role, pool) for role, pool in site.pools())]
    components += [planner_component(site, item["metadata"]["name"]) for item in config_maps]
    backend = {} if request.deploy.mocker else {"backendFramework": deployment.backend}
    document = {
        "apiVersion": BETA,
        "kind": "DynamoGraphDeployment",
        "metadata": {
            **metadata,
            "name": name,
            "labels": {**metadata["labels"], **revision_label(site.model_path)},
            "annotations": _annotations(site),
        },
        "spec": {**backend, "components": components},
    }
    document = apply_override(document, request.deploy.dgd_override)
    if site.profile:
        config_maps.append(profile_config_map(site, metadata))
    return [*cache, *config_maps, document if version == "v1beta1" else to_v1alpha1(document)]


def dgd_name(request: Request) -> str:
    """The deployment's name: the override's, else `<request>-dgd`, shortened by a hash when too long."""
    room = MAX_NAME - _LONGEST_COMPONENT
    chosen = ((request.deploy.dgd_override or {}).get("metadata") or {}).get("name")
    if chosen:
        if len(chosen) > room:
            raise InputError(
                f"spec.overrides.dgd.metadata.name {chosen!r} has {len(chosen)} characters, but with the "
                f"component's name only {MAX_NAME} fit; use at most {room}"
            )
        return str(chosen)
    name = request.deploy.name.replace(".", "-")
    if len(f"{name}-dgd") <= room:
        return f"{name}-dgd"
    ending = f"-{hashlib.sha256(name.encode()).hexdigest()[:6]}-dgd"
    return name[: room - len(ending)].rstrip("-") + ending


def _metadata(request: Request) -> dict[str, Any]:
    namespace = {"namespace": request.deploy.namespace} if request.deploy.namespace else {}
    return {"name": "", **namespace, "labels": {"app.kubernetes.io/managed-by": "simkit"}}


def _annotations(site: Site) -> dict[str, str]:
    """What flags do not say, so that the document can be read back: weight formats, whether MoE, a draft."""
    precision = site.deployment.precision
    moe = any(pool.plan.moe_tp * pool.plan.ep > 1 for _, pool in site.pools())
    text = " ".join(f"{part}={getattr(precision, part)}" for part in ("gemm", "moe", "kv", "other"))
    draft = next(pool.engine.draft for _, pool in site.pools())  # one for all
    return {
        PRECISION_ANNOTATION: text,
        EXPERTS_ANNOTATION: str(moe).lower(),
        **({} if draft is None else {DRAFT_ANNOTATION: draft.text}),
        **_scheduling(site),
    }


def _scheduling(site: Site) -> dict[str, str]:
    """Who gangs the pods of an engine together: Grove unless told otherwise, which KAI may schedule."""
    options = site.request.deploy.cluster
    found = {} if options.orchestrator != "lws" else {GROVE_ANNOTATION: "false"}
    if options.kai_queue:
        found[KAI_QUEUE_ANNOTATION] = options.kai_queue
    annotation = engine_spec(site.deployment.backend).multinode.executor_annotation
    if options.vllm_executor and annotation:
        found[annotation] = options.vllm_executor
    return found
