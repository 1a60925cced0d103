"""GPUs of this machine through NVML, the driver's own library."""

from collections import Counter
from typing import Any

from simkit.cluster.nodes import GpuNode
from simkit.core.errors import ExternalError, InputError


def machine_nodes(nvml: Any = None) -> list[GpuNode]:
    """The machine as one node for each kind of GPU in it. nvml stands in for the package, in tests.

    Raises InputError where driver or package are missing, ExternalError where the driver fails.
    """
    nvml = nvml or _package()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise InputError(f"no NVIDIA driver here ({error}); --target k8s asks a cluster") from error
    try:
        return _nodes(nvml)
    except nvml.NVMLError as error:
        raise ExternalError(f"NVML: {error}; does nvidia-smi work?") from error
    finally:
        nvml.nvmlShutdown()


def _package() -> Any:
    try:
        import pynvml
    except ModuleNotFoundError as missing:
        raise InputError(
            'GPUs of this machine are read with nvidia-ml-py: pip install "dynamo-simkit[cluster]"'
        ) from missing
    return pynvml


def _nodes(nvml: Any) -> list[GpuNode]:
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    names = Counter(_text(nvml.nvmlDeviceGetName(handle)) for handle in handles)
    found = []
    for name, count in names.items():
        same = [handle for handle in handles if _text(nvml.nvmlDeviceGetName(handle)) == name]
        memory = nvml.nvmlDeviceGetMemoryInfo(same[0]).total / 2**20
        slices = sum(_is_split(nvml, handle) for handle in same)
        found.append(_node(name, count, memory, slices))
    return found


def _node(name: str, count: int, memory_mib: float, split: int) -> GpuNode:
    return GpuNode(
        name="this machine",
        product=name,
        memory_mib=float(round(memory_mib)),
        gpus=count,
        allocatable=count,
        shared=1,
        mig={"enabled": split} if split else {},
        usable=True,
        taints=(),
        rdma={},
        rdma_capable=False,
        network_operator=False,
        nvlink_domain=None,
        labels={},
    )


def _is_split(nvml: Any, handle: Any) -> bool:
    """Whether MIG is on; GPUs without MIG say that they do not support the question."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError_NotSupported:
        return False


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
