"""`simkit discover`: the GPUs of a cluster or of this machine, and what to know before using them."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

from simkit.catalog.gpus import gpu
from simkit.cluster.api import Api
from simkit.cluster.failures import ClusterError, ForbiddenError
from simkit.cluster.inventory import CAP, Group, KnownGpu, chosen, grouped, hardware_block
from simkit.cluster.nodes import GpuNode, gpu_node, pod_gpus
from simkit.core.errors import InputError, UnknownNameError
from simkit.formats.dgdr.skus import GPU_SKUS

Document = dict[str, Any]

_FASTEST_PCIE = 130e9  # bytes per second and direction: sixteen lanes of the sixth generation
_RUNNING = {"fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}
_DCGM = {"labelSelector": "app in (nvidia-dcgm-exporter, dcgm-exporter)", "limit": 1}


@cache
def known_gpu(product: str) -> KnownGpu | None:
    """The catalogue's GPU of that name, None where it holds none."""
    try:
        device = gpu(product)
    except UnknownNameError:
        return None
    linked = device.intra_node.bandwidth_bytes_per_s > _FASTEST_PCIE
    return KnownGpu(sku=device.name, memory_mib=device.memory_bytes / 2**20, linked=linked)


def gpu_nodes(api: Api) -> Iterator[GpuNode]:
    """Every node with GPUs."""
    yield from (found for node in api.items("/api/v1/nodes") if (found := gpu_node(node)))


def used_gpus(api: Api) -> Counter[str] | None:
    """GPUs that pods hold, by node; None where pods of other namespaces may not be read."""
    used: Counter[str] = Counter()
    try:
        for pod in api.items("/api/v1/pods", _RUNNING):
            if count := pod_gpus(pod):
                used[pod["spec"]["nodeName"]] += count
    except ForbiddenError:
        return None
    return used


def discover_cluster(api: Api, *, sku: str | None = None, total_gpus: int | None = None) -> Document:
    """The GPUs of a cluster. sku restricts the choice; total_gpus replaces what is found, without a cap.

    Raises InputError where no node has whole GPUs, ClusterError where nodes cannot be read.
    """
    with ThreadPoolExecutor(1) as beside:  # the server answers both lists at once
        pods = beside.submit(used_gpus, api)
        nodes = [replace(node, labels={}) for node in gpu_nodes(api)]
        used = pods.result()
    groups = grouped(nodes, used or {}, known_gpu)
    group = chosen(groups, _canonical(sku))
    notes = [*_choice_notes(groups, group, total_gpus), *group_notes(group), *_fabric_notes(group)]
    if used is None:
        notes.append("pods of other namespaces may not be read: how many GPUs are free is not known")
    if (dcgm := _dcgm(api)) is False:
        notes.append("no DCGM exporter: GPU metrics are not collected; the GPU operator installs it")
    free = {"free": group.free, "free_per_node": _counts(group.free_per_node)} if used is not None else {}
    return {
        "hardware": hardware_block(group, total_gpus),
        "source": "cluster",
        "gpus": {"total": group.gpus, "allocatable": group.allocatable, **free},
        "groups": [_summary(one, known=used is not None) for one in groups],
        "tolerations": [taint.toleration() for taint in group.taints],
        "rdma_resources": sorted(group.rdma),
        "dcgm": dcgm,
        "notes": notes,
    }


def _canonical(sku: str | None) -> str | None:
    return None if sku is None else gpu(sku).name


def _dcgm(api: Api) -> bool | None:
    """Whether DCGM's exporter runs; None where that cannot be seen."""
    try:
        return bool(api.get("/api/v1/pods", _DCGM).get("items"))
    except ClusterError:
        return None


def _counts(found: Counter[int]) -> Document:
    """Nodes by number of GPUs, largest first."""
    return {str(gpus): nodes for gpus, nodes in sorted(found.items(), reverse=True)}


def _summary(group: Group, *, known: bool) -> Document:
    free = {"free": group.free} if known else {}
    return {
        "sku": group.sku,
        "product": group.product,
        "nodes": group.nodes,
        "gpus": group.gpus,
        **free,
        "gpus_per_node": group.gpus_per_node,
        "vram_mb": group.vram_mib,
        "mig": dict(group.mig),
        "dynamo_accepts": group.sku in GPU_SKUS,
    }


def _choice_notes(groups: list[Group], group: Group, total_gpus: int | None) -> Iterator[str]:
    if len(groups) > 1:
        others = ", ".join(f"{one.name} ({one.nodes} nodes)" for one in groups if one is not group)
        yield f"chose {group.name} ({group.nodes} nodes): most nodes, then most memory; also here: {others}"
    if total_gpus is None and group.gpus > CAP:
        yield (
            f"totalGpus is {CAP} of {group.gpus}, where Dynamo's operator stops by itself; "
            f"--total-gpus {group.gpus} for all"
        )
    if total_gpus is not None and total_gpus > group.gpus:
        yield f"--total-gpus {total_gpus}: only {group.gpus} {group.name} are here"


def group_notes(group: Group) -> Iterator[str]:
    """What to know of these GPUs, whatever they are found by."""
    if len(group.per_node) > 1:
        counts = ", ".join(f"{nodes} with {gpus}" for gpus, nodes in sorted(group.per_node.items()))
        yield f"nodes differ ({counts}): numGpusPerNode is what most have"
    if group.unusable:
        yield f"{group.unusable} of {group.nodes} nodes are not ready or cordoned; their GPUs are not free"
    if group.mig:
        slices = ", ".join(f"{count} x {name}" for name, count in sorted(group.mig.items()))
        yield f"MIG slices ({slices}): predictions are for whole GPUs; switch MIG off on the nodes to serve"
    if group.shared_nodes:
        yield f"GPUs of {group.shared_nodes} nodes are time-sliced: neighbours slow an engine down"
    if group.sku is None:
        yield (
            f"{group.name} is not in the catalogue: recommend cannot predict it; "
            "a file in data/gpus describes a new one (data/README.md)"
        )
    elif group.sku not in GPU_SKUS:
        yield (
            f"Dynamo's DGDR takes no gpuSku {group.sku}: recommend does, but in a DGDR for the cluster leave "
            "gpuSku out, so that the operator takes what its nodes say, and keep vramMb, totalGpus, "
            "numGpusPerNode; add searchStrategy: thorough, as rapid has no data for it"
        )


def _fabric_notes(group: Group) -> Iterator[str]:
    for name, nodes in sorted(group.rdma.items()):
        flag = "" if name in ("rdma/ib", "vpc.amazonaws.com/efa") else f"; recommend --rdma-resource {name}"
        yield f"RDMA devices {name} on {nodes} of {group.nodes} nodes{flag}"
    if not group.rdma and (group.rdma_capable or group.network_operator):
        yield (
            "nodes have RDMA cards, but no device plugin hands them to pods: KV cache would go over TCP; "
            "set up the NVIDIA network operator's NicClusterPolicy"
        )
    if group.nvlink_domains:
        largest = max(group.nvlink_domains.values())
        yield f"NVLink domains over nodes: {len(group.nvlink_domains)}, the largest of {largest} nodes"


def discover_machine(*, total_gpus: int | None = None) -> Document:
    """The GPUs of this machine, asked through NVIDIA's driver. Raises InputError where there is none."""
    from simkit.cluster.this_machine import machine_nodes

    groups = grouped(machine_nodes(), {}, known_gpu)
    if not groups:
        raise InputError("this machine has no NVIDIA GPU; --target k8s asks a cluster")
    group = max(groups, key=lambda one: one.gpus)
    block = hardware_block(group, total_gpus or group.gpus)
    return {
        "hardware": {key: value for key, value in block.items() if key != "rdma"},  # NVML knows no network
        "source": "machine",
        "gpus": {"total": group.gpus},
        "groups": [_summary(one, known=False) for one in groups],
        "tolerations": [],
        "rdma_resources": [],
        "dcgm": None,
        "notes": list(group_notes(group)),
    }
