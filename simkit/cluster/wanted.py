"""What a DGD or DGDR needs of a cluster: pods with GPUs, claims, secrets, images, parts of the platform."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simkit.cluster.kinds import DGD
from simkit.formats.dgd.alpha import from_v1alpha1
from simkit.formats.dgd.parts import gpu_limit, main_container, node_count, pod_spec
from simkit.formats.faults import lookup

HF_SECRET = "hf-token-secret"  # noqa: S105 (the name that Dynamo looks for)
_JOB_POD = "spec.overrides.profilingJob.template.spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodGroup:
    """Pods of one component: so many, each with so many GPUs and other devices, on nodes that fit."""

    component: str
    pods: int
    gpus: int
    devices: Mapping[str, int]
    selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A volume claim. path: of the model inside it; many: several pods mount it."""

    name: str
    path: str | None = None
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that one document needs."""

    kind: str
    name: str
    groups: tuple[PodGroup, ...]
    claims: tuple[Claim, ...]
    secrets: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    images: tuple[str, ...]
    model: str | None
    multinode: bool
    total_gpus: int | None
    planner_sla: bool
    discovers: bool

    @property
    def gpus(self) -> int:
        """GPUs that its pods ask for, or that the request may use."""
        return self.total_gpus or sum(group.pods * group.gpus for group in self.groups)


def wanted(document: Mapping[str, Any]) -> Wanted:
    """What one DGD or DGDR needs. Raises InputError for numbers that are none."""
    if document.get("kind") == DGD:
        alpha = str(document.get("apiVersion", "")).endswith("v1alpha1")
        return _of_dgd(from_v1alpha1(document) if alpha else document)
    return _of_dgdr(document)


def _of_dgd(document: Mapping[str, Any]) -> Wanted:
    components = lookup(document, "spec.components") or []
    groups = tuple(_group(component) for component in components)
    claims: dict[str, int] = {}
    for component, group in zip(components, groups, strict=True):
        for name in set(_claims(component)):
            claims[name] = claims.get(name, 0) + group.pods
    return Wanted(
        kind=DGD,
        name=str(lookup(document, "metadata.name")),
        groups=groups,
        claims=tuple(Claim(name=name, many=pods > 1) for name, pods in claims.items()),
        secrets=_unique(name for one in components for name in _secrets(one)),
        pull_secrets=_unique(name for one in components for name in _pull_secrets(pod_spec(one))),
        images=_unique(image for one in components if (image := main_container(one).get("image"))),
        model=None,
        multinode=any(node_count(one) > 1 for one in components),
        total_gpus=None,
        planner_sla=False,
        discovers=False,
    )


def _group(component: Mapping[str, Any]) -> PodGroup:
    main, spec = main_container(component), pod_spec(component)
    replicas = component.get("replicas", 1)
    return PodGroup(
        component=str(component.get("name")),
        pods=int(1 if replicas is None else replicas) * node_count(component),
        gpus=gpu_limit(main) or 0,
        devices=_devices(main),
        selector=spec.get("nodeSelector") or {},
        tolerations=tuple(spec.get("tolerations") or ()),
    )


def _devices(container: Mapping[str, Any]) -> dict[str, int]:
    """Extended resources besides GPUs, such as RDMA devices."""
    limits = lookup(container, "resources.limits") or {}
    return {
        name: int(str(count))
        for name, count in limits.items()
        if "/" in name and name != "nvidia.com/gpu" and str(count).isdigit()
    }


def _claims(component: Mapping[str, Any]) -> Iterator[str]:
    for volume in pod_spec(component).get("volumes") or ():
        if name := lookup(volume, "persistentVolumeClaim.claimName"):
            yield str(name)
    if name := lookup(component, "compilationCache.pvcName"):
        yield str(name)


def _secrets(component: Mapping[str, Any]) -> Iterator[str]:
    for container in pod_spec(component).get("containers") or ():
        for source in container.get("envFrom") or ():
            if (name := lookup(source, "secretRef.name")) and not lookup(source, "secretRef.optional"):
                yield str(name)
        for variable in container.get("env") or ():
            if name := lookup(variable, "valueFrom.secretKeyRef.name"):
                yield str(name)


def _pull_secrets(spec: Mapping[str, Any]) -> list[str]:
    return [str(one["name"]) for one in spec.get("imagePullSecrets") or () if one.get("name")]


def _of_dgdr(document: Mapping[str, Any]) -> Wanted:
    spec = document.get("spec") or {}
    hardware, job = spec.get("hardware") or {}, lookup(document, _JOB_POD) or {}
    cache, planner = spec.get("modelCache") or {}, lookup(spec, "features.planner") or {}
    claim = Claim(name=str(cache["pvcName"]), path=cache.get("pvcModelPath"), many=True)  \
        if cache.get("pvcName") else None  # fmt: skip
    return Wanted(
        kind=str(document.get("kind")),
        name=str(lookup(document, "metadata.name")),
        groups=(_profiling(spec, job),),
        claims=(claim,) if claim else (),
        secrets=(HF_SECRET,),
        pull_secrets=tuple(_pull_secrets(job)),
        images=(str(spec["image"]),) if spec.get("image") else (),
        model=spec.get("model"),
        multinode=False,
        total_gpus=hardware.get("totalGpus"),
        planner_sla=planner.get("optimization_target") == "sla",
        discovers=not any(hardware.get(name) for name in ("gpuSku", "vramMb", "numGpusPerNode")),
    )


def _profiling(spec: Mapping[str, Any], job: Mapping[str, Any]) -> PodGroup:
    """What the profiler brings up: engines on GPUs where the search is thorough, else no GPU at all."""
    thorough = spec.get("searchStrategy") == "thorough"
    return PodGroup(
        component="profiling",
        pods=1,
        gpus=1 if thorough else 0,
        devices={},
        selector=job.get("nodeSelector") or {},
        tolerations=tuple(job.get("tolerations") or ()),
    )


def _unique(items: Iterator[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item) for item in items))
