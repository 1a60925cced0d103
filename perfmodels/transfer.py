"""Moving a prompt's KV cache from a prefill engine to a decode engine."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike


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
