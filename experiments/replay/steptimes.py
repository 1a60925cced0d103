"""Step-time tables as the mocker reads and interpolates them [tokens, milliseconds]."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ARRAYS = (
    "prefill_isl", "prefill_ttft_ms", "decode_active_kv_tokens", "decode_context_length", "decode_itl",
)  # fmt: skip
_LEAST_DECODE_MS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """Prefill time by prompt tokens of a pass; decode time by tokens of cache in use and mean context.

    Linear between points and beyond them on either side, as ai-dynamo 1.4.2 does
    (lib/mocker/src/common/perf_model.rs); no decode pass takes less than a millisecond.
    """

    prefill_isl: FloatArray
    prefill_ttft_ms: FloatArray
    decode_active_kv_tokens: FloatArray
    decode_context_length: FloatArray
    decode_itl: FloatArray

    @classmethod
    def of(cls, arrays: Mapping[str, ArrayLike]) -> "StepTimes":
        """From the five arrays of the npz file."""
        return cls(**{name: np.asarray(arrays[name], dtype=np.float64) for name in ARRAYS})

    def prefill_ms(self, tokens: int) -> float:
        """Time of a pass with so many new prompt tokens."""
        if tokens == 0:
            return 0.0
        right, part = _place(self.prefill_isl, tokens)
        low, high = self.prefill_ttft_ms[right - 1], self.prefill_ttft_ms[right]
        return max(float(low + part * (high - low)), 0.0)

    def decode_ms(self, kv_tokens: int, context: int) -> float:
        """Time of a pass that makes a token for each sequence that is ready."""
        i, part = _place(self.decode_active_kv_tokens, kv_tokens)
        j, along = _place(self.decode_context_length, context)
        table = self.decode_itl
        below = table[i - 1, j - 1] + along * (table[i - 1, j] - table[i - 1, j - 1])
        above = table[i, j - 1] + along * (table[i, j] - table[i, j - 1])
        return max(float(below + part * (above - below)), _LEAST_DECODE_MS)


def _place(grid: FloatArray, value: float) -> tuple[int, float]:
    right = int(np.clip(np.searchsorted(grid, value, side="right"), 1, len(grid) - 1))
    return right, float((value - grid[right - 1]) / (grid[right] - grid[right - 1]))
