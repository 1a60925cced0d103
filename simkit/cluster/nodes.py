"""What one node offers, read from its labels, capacity, taints and conditions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

GPU = "nvidia.com/gpu"
# Labels that name the GPU of a node: GPU-feature-discovery's, then the cloud's own.
_PRODUCTS = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "amd.com/gpu.product-name")
_GPU_RESOURCES = (GPU, "nvidia.com/gpu.shared", "amd.com/gpu")
_MIG = re.compile(r"^nvidia\.com/mig-(.+)$")
_MIG_PRODUCT = re.compile(r"-MIG-(.+)$")
# Extended resources through which pods get RDMA devices: NVIDIA's network operator, its shared device plug-in
# and SR-IOV under the names its guides use, AWS's EFA.
_RDMA = re.compile(
    r"^(rdma/.+|vpc\.amazonaws\.com/efa|nvidia\.com/(hostdev|rdma.*|mlnxnics|.*_rdma_.*|sriov.*)|"
    r"networking\.gke\.io\.networks/rdma.*)$"
)
_CAPABLE = ("feature.node.kubernetes.io/rdma.capable", "feature.node.kubernetes.io/rdma.available")
_MOFED = "network.nvidia.com/operator.mofed.wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """What keeps pods away that do not tolerate it."""

    key: str
    value: str
    effect: str

    def toleration(self) -> dict[str, str]:
        """What a pod says to be let in."""
        return {"key": self.key, "operator": "Exists", "effect": self.effect}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNode:
    """A node with GPUs.

    product: as its labels say, empty where none does. gpus: physical; allocatable: what pods can ask for.
    shared: time slices per GPU. mig: slices by profile. usable: Ready and not cordoned.
    """

    name: str
    product: str
    memory_mib: float | None
    gpus: int
    allocatable: int
    shared: int
    mig: Mapping[str, int]
    usable: bool
    taints: tuple[Taint, ...]
    rdma: Mapping[str, int]
    rdma_capable: bool
    network_operator: bool
    nvlink_domain: str | None
    labels: Mapping[str, str] = field(repr=False)


def gpu_node(node: Mapping[str, Any]) -> GpuNode | None:
    """The GPUs of a node as the API server holds it; None where it has none."""
    metadata, status = node.get("metadata") or {}, node.get("status") or {}
    labels = metadata.get("labels") or {}
    offered = {name: _count(value) for name, value in (status.get("allocatable") or {}).items()}
    mig = {found[1]: count for name, count in offered.items() if (found := _MIG.match(name)) and count}
    allocatable = sum(offered.get(name, 0) for name in _GPU_RESOURCES)
    product = next((str(labels[name]) for name in _PRODUCTS if labels.get(name)), "")
    if not allocatable and not mig and not product:
        return None
    single = _MIG_PRODUCT.search(product)
    if single and allocatable:  # MIG strategy `single`: slices are offered as GPUs
        mig = {single[1]: allocatable}
    shared = max(_count(labels.get("nvidia.com/gpu.replicas")), 1)
    physical = _count(labels.get("nvidia.com/gpu.count")) or (0 if single else allocatable // shared)
    memory = _count(labels.get("nvidia.com/gpu.memory"))
    rdma = {name: count for name, count in offered.items() if _RDMA.match(name) and count}
    return GpuNode(
        name=str(metadata.get("name")),
        product=re.sub(r"(-SHARED|-MIG-.+)$", "", product),
        memory_mib=float(memory) if memory and not single else None,
        gpus=physical,
        allocatable=allocatable,
        shared=shared,
        mig=mig,
        usable=_usable(node),
        taints=tuple(_taints(node)),
        rdma=rdma,
        rdma_capable=any(labels.get(name) == "true" for name in _CAPABLE),
        network_operator=_MOFED in labels,
        nvlink_domain=labels.get("nvidia.com/gpu.clique"),
        labels=labels,
    )


def _count(value: Any) -> int:
    """A count as Kubernetes writes it, 0 for what is none."""
    text = str(value or "")
    return int(text) if text.isdigit() else 0


def _usable(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready and not (node.get("spec") or {}).get("unschedulable")


def _taints(node: Mapping[str, Any]) -> Iterator[Taint]:
    for one in (node.get("spec") or {}).get("taints") or ():
        if one.get("effect") in ("NoSchedule", "NoExecute") and not str(one["key"]).startswith(
            "node.kubernetes.io/"
        ):
            yield Taint(key=str(one["key"]), value=str(one.get("value") or ""), effect=str(one["effect"]))


def pod_gpus(pod: Mapping[str, Any]) -> int:
    """GPUs that a pod holds on its node; 0 once it has ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    spec = pod.get("spec") or {}
    running = sum(_container_gpus(one) for one in spec.get("containers") or ())
    first = max((_container_gpus(one) for one in spec.get("initContainers") or ()), default=0)
    return max(running, first)


def _container_gpus(container: Mapping[str, Any]) -> int:
    resources = container.get("resources") or {}
    amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return sum(_count(amounts.get(name)) for name in _GPU_RESOURCES)
