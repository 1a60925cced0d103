"""How pods reach each other fast: RDMA devices, rights and settings by fabric.

Without RDMA, NIXL copies KV cache through host memory and TCP, silently. Sources: Dynamo's
disaggregated communication guide and its EFA guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from simkit.core.errors import InputError, nearest
from simkit.core.request import Hardware
from simkit.engines.registry import engine_spec

Document = dict[str, Any]

_EFA_PER_POD = 4  # the number that the guide measured to saturate one transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """One kind of RDMA network."""

    name: str
    resource: str
    env: Mapping[str, str]
    privileged: bool = False
    nixl_backend: str | None = None
    per_pod: int | None = None  # devices of a pod; None: one for each GPU
    spread: bool = False  # prefill and decode must not share a node
    image_suffix: str = ""  # of the engines' images that hold its libraries

    def devices(self, gpus: int) -> int:
        """Devices that a pod with so many GPUs asks for."""
        return self.per_pod or gpus

    def security_context(self) -> Document:
        """The right to pin memory, which registering it with a network card takes."""
        rights: Document = {"capabilities": {"add": ["IPC_LOCK"]}}
        return {"privileged": True, **rights} if self.privileged else rights

    def env_of(self, backend: str) -> list[Document]:
        """Environment of a worker, with what makes its engine carry the cache over this fabric."""
        found = {**self.env, **engine_spec(backend).worker.fabric_env.get(self.name, {})}
        return [{"name": name, "value": value} for name, value in found.items()]


# Caches are large: always ask for them by zero-copy reads.
_UCX = MappingProxyType({"UCX_RNDV_SCHEME": "get_zcopy", "UCX_RNDV_THRESH": "0"})
_EFA_ENV = MappingProxyType(
    {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1", "FI_EFA_ENABLE_SHM_TRANSFER": "0"}
)
FABRICS: Mapping[str, Fabric] = MappingProxyType({
    "infiniband": Fabric(name="infiniband", resource="rdma/ib", env=_UCX),
    "roce": Fabric(name="roce", resource="rdma/ib", env=_UCX),
    "efa": Fabric(
        name="efa",
        resource="vpc.amazonaws.com/efa",
        env=_EFA_ENV,
        privileged=True,
        nixl_backend="LIBFABRIC",
        per_pod=_EFA_PER_POD,
        spread=True,
        image_suffix="-efa",
    ),
})  # fmt: skip
_ALIASES = MappingProxyType({
    "ib": "infiniband", "rdma": "infiniband", "ndr": "infiniband", "hdr": "infiniband",
    "rocev2": "roce", "roce v2": "roce", "elastic fabric adapter": "efa",
})  # fmt: skip


def fabric_of(hardware: Hardware, resource: str | None = None) -> Fabric | None:
    """The fabric between nodes, None where there is none or none was stated.

    hardware.rdma says whether, hardware.interconnect which; without a name it is InfiniBand's
    device plugin, which serves RoCE as well. A plain GPU link (nvlink, pcie) names no fabric.
    """
    name = (hardware.interconnect or "").strip().lower()
    named = FABRICS.get(_ALIASES.get(name, name))
    if hardware.rdma is False or (hardware.rdma is None and named is None):
        return None
    chosen = named or FABRICS["infiniband"]
    return chosen if resource is None else _with_resource(chosen, resource)


def fabric_hint(hardware: Hardware) -> str | None:
    """A remark where the interconnect's name looks like a fabric's but is not."""
    name = (hardware.interconnect or "").strip().lower()
    if not name or name in _ALIASES or name in FABRICS:
        return None
    hints = nearest(name, FABRICS, count=1)
    return f"hardware.interconnect {name!r} names no RDMA fabric; did you mean {hints[0]}?" if hints else None


def _with_resource(fabric: Fabric, resource: str) -> Fabric:
    if "/" not in resource:
        raise InputError(
            f"RDMA resource {resource!r} is not the name of an extended resource; write it as the device "
            "plugin announces it, such as rdma/rdma_shared_device_a"
        )
    return replace(fabric, resource=resource)


def away_from(components: list[str]) -> Document:
    """Affinity that keeps a pod off the nodes where the components run."""
    expression = {"key": "nvidia.com/dynamo-component", "operator": "In", "values": components}
    term = {"labelSelector": {"matchExpressions": [expression]}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
