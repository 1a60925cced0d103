"""What the clients send: lengths and load."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from simkit.core.errors import InputError

# --- Mean lengths of requests.


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean prompt and output lengths, scalars or one per row; cached_tokens of a prompt need no prefill."""

    isl_tokens: FloatLike
    osl_tokens: FloatLike
    cached_tokens: FloatLike = 0.0

    @property
    def mean_context_tokens(self) -> FloatLike:
        """Keys a decode step sees on average over a request's life."""
        return self.isl_tokens + self.osl_tokens / 2.0


def mean_lengths(isl: FloatArray, osl: FloatArray, spread: float, hit: FloatLike = 0.0) -> Lengths:
    """Means of lengths drawn uniformly from (1 - spread) to 1 of the nominal ones.

    hit: share of prompt tokens found in the prefix cache; the last token never is, as it makes the first one.
    """
    share = 1.0 - spread / 2.0
    prompt = np.maximum(isl * share, 1.0)
    return Lengths(
        isl_tokens=prompt,
        osl_tokens=np.maximum(osl * share, 1.0),
        cached_tokens=np.minimum(prompt * hit, prompt - 1.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Request lengths and the load offered.

    At most one of concurrency (closed loop, requests in flight) and request_rate_per_s (open loop).
    requests_per_slot is how many requests each concurrency slot sends, which decides how much of
    the mean the opening burst makes up; None means steady state.
    length_spread is the relative width of the uniform length distribution: 0.2 means lengths
    between 0.8 and 1.0 of isl_tokens and osl_tokens.
    prefix_hit is the share of prompt tokens that engines find in their prefix cache.
    """

    isl_tokens: float = 4000
    osl_tokens: float = 1000
    concurrency: float | None = None
    request_rate_per_s: float | None = None
    requests_per_slot: float | None = None
    length_spread: float = 0.0
    prefix_hit: float = 0.0

    def __post_init__(self) -> None:
        for name in ("isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s", "requests_per_slot"):
            value = getattr(self, name)
            if value is None and name in ("isl_tokens", "osl_tokens"):
                raise InputError(f"workload.{name} is needed, a number of tokens; nothing was given")
            if value is not None and not 0 < value < 1e9:
                raise InputError(f"workload.{name} must be positive and below 1e9, got {value:g}")
        if self.concurrency is not None and self.request_rate_per_s is not None:
            raise InputError("workload: give either concurrency or request rate, not both; drop one of them")
        if not 0 <= self.length_spread < 1:
            raise InputError(f"workload.length_spread must be in [0, 1), got {self.length_spread}")
        if not 0 <= self.prefix_hit < 1:
            hit = self.prefix_hit
            meant = f"; {hit:g} % is {hit / 100:g}" if 1 < hit < 100 else ""
            raise InputError(
                f"prefix hit must be a share of prompt tokens from 0 to below 1, got {hit:g}{meant}"
            )


def in_whole_slots(workload: Workload) -> Workload:
    """The workload with whole requests in flight, as many as can be sent; at a rate as it is."""
    slots = workload.concurrency
    return workload if slots is None else replace(workload, concurrency=max(1.0, float(round(slots))))


def workload_lengths(workload: Workload) -> Lengths:
    """Mean lengths under the workload's spread."""
    isl, osl = np.asarray(float(workload.isl_tokens)), np.asarray(float(workload.osl_tokens))
    return mean_lengths(isl, osl, workload.length_spread, workload.prefix_hit)
