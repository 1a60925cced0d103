"""GPUs of many nodes as one answer: which SKU, how many, how many free, and the `hardware:` block.

Dynamo's rule where SKUs are mixed: most nodes first, then most memory; gpuSku restricts. Its operator stops
at 32 GPUs unless totalGpus is given.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simkit.cluster.nodes import GpuNode, Taint
from simkit.core.errors import InputError

CAP = 32  # GPUs that Dynamo's operator takes by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGpu:
    """What the catalogue says of a GPU. link: its GPUs are joined within a node by more than PCIe."""

    sku: str
    memory_mib: float
    linked: bool


GpuOf = Callable[[str], KnownGpu | None]


@dataclass(slots=True)
class Group:
    """Nodes with the same GPU, counted as they are read: memory does not grow with the cluster."""

    sku: str | None
    product: str
    vram_mib: float | None
    linked: bool = True
    nodes: int = 0
    unusable: int = 0
    gpus: int = 0
    allocatable: int = 0
    free: int = 0
    per_node: Counter[int] = field(default_factory=Counter)
    free_per_node: Counter[int] = field(default_factory=Counter)
    mig: Counter[str] = field(default_factory=Counter)
    shared_nodes: int = 0
    taints: Counter[Taint] = field(default_factory=Counter)
    rdma: Counter[str] = field(default_factory=Counter)
    rdma_capable: int = 0
    network_operator: int = 0
    nvlink_domains: Counter[str] = field(default_factory=Counter)

    def add(self, node: GpuNode, used: int) -> None:
        """Count one node, of whose allocatable GPUs so many are used."""
        self.nodes += 1
        self.gpus += node.gpus
        self.allocatable += node.allocatable
        self.per_node[node.gpus] += 1
        self.mig.update(node.mig)
        self.shared_nodes += node.shared > 1
        self.taints.update(node.taints)
        self.rdma.update(dict.fromkeys(node.rdma, 1))
        self.rdma_capable += node.rdma_capable
        self.network_operator += node.network_operator
        if node.nvlink_domain:
            self.nvlink_domains[node.nvlink_domain] += 1
        if not node.usable:
            self.unusable += 1
            return
        free = max(node.allocatable - used, 0)
        self.free += free
        if free:
            self.free_per_node[free] += 1

    @property
    def gpus_per_node(self) -> int:
        """What most nodes have; of equally frequent numbers the larger."""
        return max(self.per_node, key=lambda count: (self.per_node[count], count), default=0)

    @property
    def name(self) -> str:
        """The SKU, or what the nodes call it."""
        return self.sku or self.product or "unnamed"

    @property
    def has_rdma(self) -> bool:
        """Whether every node hands out RDMA devices."""
        return any(count == self.nodes for count in self.rdma.values())


def grouped(nodes: Iterable[GpuNode], used: Mapping[str, int], gpu_of: GpuOf) -> list[Group]:
    """Nodes by GPU; used: GPUs taken by pods, by node. Most nodes first, then most memory."""
    groups: dict[str, Group] = {}
    for node in nodes:
        known = gpu_of(node.product)
        key = known.sku if known else node.product
        if key not in groups:
            vram = node.memory_mib or (known.memory_mib if known else None)
            groups[key] = Group(
                sku=known.sku if known else None,
                product=node.product,
                vram_mib=vram,
                linked=known.linked if known else False,
            )
        groups[key].add(node, used.get(node.name, 0))
    return sorted(groups.values(), key=lambda one: (-one.nodes, -(one.vram_mib or 0), one.name))


def chosen(groups: list[Group], sku: str | None) -> Group:
    """The group that Dynamo would take, of one SKU only where it is given.

    Raises InputError where there is none, with those there are.
    """
    able = [one for one in groups if one.gpus and (sku is None or one.sku == sku)]
    if able:
        return able[0]
    there = ", ".join(f"{one.name} ({one.nodes} nodes)" for one in groups) or "none"
    if sku is not None:
        raise InputError(f"--gpu {sku}: no node has it; GPUs here: {there}")
    raise InputError(
        f"no node offers whole GPUs (found: {there}); is the NVIDIA GPU operator installed? "
        "kubectl get nodes -L nvidia.com/gpu.product,nvidia.com/gpu.count"
    )


def hardware_block(group: Group, total_gpus: int | None) -> dict[str, Any]:
    """What recommend and a DGDR take; total_gpus None: all there are, at most what Dynamo takes by itself."""
    known: dict[str, Any] = {
        "gpuSku": group.name,
        "vramMb": group.vram_mib,
        "totalGpus": total_gpus or min(group.gpus, CAP),
        "numGpusPerNode": group.gpus_per_node,
        "interconnect": _interconnect(group),
        "rdma": group.has_rdma,
    }
    return {key: value for key, value in known.items() if value is not None}


def _interconnect(group: Group) -> str:
    if group.has_rdma and "vpc.amazonaws.com/efa" in group.rdma:
        return "efa"
    return "nvlink" if group.linked else "pcie"
