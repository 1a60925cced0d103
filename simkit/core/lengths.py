"""Mean lengths of requests."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean prompt and output lengths, scalars or one per row."""

    isl_tokens: FloatLike
    osl_tokens: FloatLike

    @property
    def mean_context_tokens(self) -> FloatLike:
        """Keys a decode step sees on average over a request's life."""
        return self.isl_tokens + self.osl_tokens / 2.0


def mean_lengths(isl: FloatArray, osl: FloatArray, spread: float) -> Lengths:
    """Means of lengths drawn uniformly from (1 - spread) to 1 of the nominal ones."""
    share = 1.0 - spread / 2.0
    return Lengths(isl_tokens=np.maximum(isl * share, 1.0), osl_tokens=np.maximum(osl * share, 1.0))
