"""Accelerators and links as datasheet numbers in SI, the roofline, and the time to move a KV cache."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike

# Where a format has no native unit, engines fall back to the next one in its row.
_FALLBACK = {
    "fp4": ("fp4", "bf16", "fp16"),  # four-bit weights without FP4 units are unpacked to 16 bits
    "fp8": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "bf16", "fp16"),
    "bf16": ("bf16", "fp16"),
    "fp16": ("fp16", "bf16"),
    "tf32": ("tf32", "bf16", "fp16"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One hop of the interconnect, per GPU and direction."""

    bandwidth_bytes_per_s: float
    latency_s: float

    def __post_init__(self) -> None:
        if self.bandwidth_bytes_per_s <= 0 or self.latency_s < 0:
            raise ValueError(
                "a link needs positive bandwidth and non-negative latency, got "
                f"{self.bandwidth_bytes_per_s} bytes/s and {self.latency_s} s"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One accelerator and the node it sits in.

    peak_flop_per_s maps a compute format (bf16, fp8, fp4, int8, fp16, tf32) to its dense rate.
    gpus_per_node is what a host (and so a pod) holds; link_domain_gpus is how many GPUs the fast
    link reaches (equal to gpus_per_node except for rack-scale NVLink).
    """

    name: str
    vendor: str
    generation: str
    memory_bytes: float
    memory_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    intra_node: Link
    inter_node: Link
    gpus_per_node: int = 8
    link_domain_gpus: int = 8
    tdp_w: float | None = None
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        positive = (self.memory_bytes, self.memory_bytes_per_s, self.gpus_per_node)
        if min(positive) <= 0 or self.link_domain_gpus < self.gpus_per_node:
            raise ValueError(
                f"device {self.name}: memory, bandwidth and GPUs per node must be positive and the "
                f"link domain at least one node, got {positive} and {self.link_domain_gpus}"
            )
        if not self.peak_flop_per_s:
            raise ValueError(f"device {self.name}: no peak rate given")

    def compute_format(self, compute: str) -> str:
        """The format that really multiplies when `compute` is asked for (fp8 on A100 is bf16)."""
        for candidate in _FALLBACK.get(compute, (compute, "bf16", "fp16")):
            if candidate in self.peak_flop_per_s:
                return candidate
        return next(iter(self.peak_flop_per_s))

    def peak(self, compute: str) -> float:
        """Dense rate [FLOP/s] of the format that really multiplies."""
        return self.peak_flop_per_s[self.compute_format(compute)]


# --- The speed of light of one operator.


def roofline_time_s(
    flop: FloatLike, mem_bytes: FloatLike, *, peak_flop_per_s: FloatLike, peak_bytes_per_s: FloatLike
) -> FloatArray:
    """Lower bound on operator time: the slower of compute and memory [s].

    flop [FLOP] and mem_bytes [bytes] broadcast together. Source: Williams et al., CACM 2009.
    """
    return np.maximum(np.asarray(flop) / peak_flop_per_s, np.asarray(mem_bytes) / peak_bytes_per_s)


# --- Moving a prompt's KV cache from a prefill engine to a decode engine.


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPath:
    """How caches travel: bandwidth [bytes/s] of each GPU, or of a whole pod; set-up per request [s]."""

    bandwidth_bytes_per_s: float
    setup_s: float
    per_pod: bool = False


# Without RDMA the transfer falls back to TCP: a few GB/s at best for the whole pod.
TCP_BYTES_PER_S = 1.0e9
_SETUP_S = 2e-3
_LINK_FRAC = 0.7


def rdma_path(bandwidth_bytes_per_s: float) -> TransferPath:
    """GPU-direct transfer over a link of the given datasheet rate."""
    return TransferPath(bandwidth_bytes_per_s=_LINK_FRAC * bandwidth_bytes_per_s, setup_s=_SETUP_S)


def tcp_path() -> TransferPath:
    """Transfer through host memory and the TCP stack."""
    return TransferPath(bandwidth_bytes_per_s=TCP_BYTES_PER_S, setup_s=10 * _SETUP_S, per_pod=True)


def transfer_time_s(cache_bytes: FloatLike, num_links: FloatLike, path: TransferPath) -> FloatArray:
    """Time to move one request's cache over `num_links` GPUs' links in parallel [s]."""
    links = np.maximum(np.asarray(num_links, dtype=np.float64), 1.0)
    return path.setup_s + np.asarray(cache_bytes) / (links * path.bandwidth_bytes_per_s)
