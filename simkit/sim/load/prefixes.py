"""What prompts have in common: a system prompt for all, then one of several prefixes."""

import math
from dataclasses import dataclass

import numpy as np

from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.sim.requests import IntArray

_FEWEST_TOKENS = 16  # finer sharing would change nothing and make many blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPrefixes:
    """The first tokens of every prompt.

    system_tokens are the same in all prompts. They are followed by one of num_prefixes different
    texts of prefix_tokens each, chosen at random with equal chances. Both count towards the input length.
    Whole pages are shared: engines reuse no less than a page of their cache.
    """

    system_tokens: int = 0
    prefix_tokens: int = 0
    num_prefixes: int = 1
    page_tokens: int = 16

    def __post_init__(self) -> None:
        for name in ("system_tokens", "prefix_tokens"):
            if not 0 <= getattr(self, name) <= 10**8:
                raise InputError(f"{name} must be from 0 to 100,000,000, got {getattr(self, name):g}")
        if not 1 <= self.num_prefixes <= 10**9:
            raise InputError(f"num_prefixes must be from 1 to 1e9, got {self.num_prefixes:g}")
        if not 1 <= self.page_tokens <= 10**6:
            raise InputError(f"page_tokens must be from 1 to 1e6, got {self.page_tokens:g}")
        if self.num_prefixes > 1 and self.prefix_tokens == 0:
            raise InputError(
                f"{self.num_prefixes} prefixes of 0 tokens: nothing to tell apart; give their length"
            )

    @classmethod
    def of_workload(cls, workload: Workload, page_tokens: int = 16) -> "SharedPrefixes | None":
        """One system prompt as long as engines find in their caches; None where they find nothing."""
        if workload.prefix_hit == 0.0:
            return None
        mean = workload.isl_tokens * (1.0 - workload.length_spread / 2.0)
        return cls(system_tokens=round(mean * workload.prefix_hit), page_tokens=page_tokens)

    @property
    def total_tokens(self) -> int:
        """Length of what a prompt shares."""
        return self.system_tokens + self.prefix_tokens

    @property
    def block_tokens(self) -> int:
        """The coarsest block that ends where sharing ends, so that a prompt needs few of them."""
        return math.gcd(*self._cached) or self._grain

    @property
    def _grain(self) -> int:
        return math.lcm(_FEWEST_TOKENS, self.page_tokens)

    @property
    def _cached(self) -> tuple[int, int]:
        """End of the system prompt and of the prefix [tokens], whole pages only."""
        grain = self._grain
        return self.system_tokens // grain * grain, self.total_tokens // grain * grain

    def draw(self, rng: np.random.Generator, count: int) -> tuple[IntArray, IntArray]:
        """Block ids of `count` prompts, one after the other, and where each begins [count + 1]."""
        first, last = (end // self.block_tokens for end in self._cached)
        chosen = rng.integers(0, self.num_prefixes, size=count, dtype=np.int64)
        system = np.broadcast_to(np.arange(first, dtype=np.int64), (count, first))
        own = first + chosen[:, None] * (last - first) + np.arange(last - first, dtype=np.int64)
        ids = np.concatenate([system, own], axis=1).ravel()
        return ids, np.arange(count + 1, dtype=np.int64) * last
