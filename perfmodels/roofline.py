"""The speed of light of one operator."""

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike


def roofline_time_s(
    flop: FloatLike, mem_bytes: FloatLike, *, peak_flop_per_s: FloatLike, peak_bytes_per_s: FloatLike
) -> FloatArray:
    """Lower bound on operator time: the slower of compute and memory [s].

    flop [FLOP] and mem_bytes [bytes] broadcast together. Source: Williams et al., CACM 2009.
    """
    return np.maximum(np.asarray(flop) / peak_flop_per_s, np.asarray(mem_bytes) / peak_bytes_per_s)


def ridge_flop_per_byte(*, peak_flop_per_s: float, peak_bytes_per_s: float) -> float:
    """Arithmetic intensity above which compute, not memory, is the limit [FLOP/byte]."""
    return peak_flop_per_s / peak_bytes_per_s
