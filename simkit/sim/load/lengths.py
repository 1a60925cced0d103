"""How long requests are: distributions of token counts."""

import math
from dataclasses import dataclass

import numpy as np

from simkit.core.errors import InputError
from simkit.sim.requests import IntArray

MOST_TOKENS = 10**9  # beyond this a length is a mistake, in a trace or in a flag


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedLength:
    """Every request the same."""

    tokens: int

    def __post_init__(self) -> None:
        _check("length", self.tokens)

    @property
    def mean_tokens(self) -> float:
        """Expected length."""
        return float(self.tokens)

    @property
    def shortest_tokens(self) -> int:
        """No request is shorter."""
        return self.tokens

    def draw(self, rng: np.random.Generator, count: int) -> IntArray:
        """`count` lengths [tokens]."""
        return np.full(count, self.tokens, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformLength:
    """Whole numbers from low to high, both included, all equally likely."""

    low_tokens: int
    high_tokens: int

    def __post_init__(self) -> None:
        _check("shortest length", self.low_tokens)
        _check("longest length", self.high_tokens)
        if self.low_tokens > self.high_tokens:
            raise InputError(
                f"lengths from {self.low_tokens} to {self.high_tokens} tokens: the first is larger; swap them"
            )

    @property
    def mean_tokens(self) -> float:
        """Expected length."""
        return 0.5 * (self.low_tokens + self.high_tokens)

    @property
    def shortest_tokens(self) -> int:
        """No request is shorter."""
        return self.low_tokens

    def draw(self, rng: np.random.Generator, count: int) -> IntArray:
        """`count` lengths [tokens]."""
        return rng.integers(self.low_tokens, self.high_tokens, size=count, endpoint=True, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LognormalLength:
    """Long-tailed lengths with a mean and a coefficient of variation (standard deviation over mean).

    Rounded to whole tokens and cut to [least_tokens, most_tokens]; where that cuts much, the mean moves.
    """

    tokens: float
    cv: float
    least_tokens: int = 1
    most_tokens: int = MOST_TOKENS

    def __post_init__(self) -> None:
        _check("mean length", self.tokens)
        _check("shortest length", self.least_tokens)
        _check("longest length", self.most_tokens)
        if not 0 < self.cv <= 10:
            raise InputError(
                f"coefficient of variation of lengths must be above 0 and up to 10, got {self.cv:g}"
            )
        if self.least_tokens > self.most_tokens:
            raise InputError(
                f"lengths from {self.least_tokens} to {self.most_tokens}: the first is larger; swap them"
            )

    @property
    def mean_tokens(self) -> float:
        """Expected length before cutting."""
        return self.tokens

    @property
    def shortest_tokens(self) -> int:
        """No request is shorter."""
        return self.least_tokens

    def draw(self, rng: np.random.Generator, count: int) -> IntArray:
        """`count` lengths [tokens]."""
        sigma = math.sqrt(math.log1p(self.cv**2))
        drawn = rng.lognormal(math.log(self.tokens) - 0.5 * sigma**2, sigma, size=count)
        cut = np.clip(np.rint(drawn), self.least_tokens, self.most_tokens)
        return cut.astype(np.int64)


LengthDistribution = FixedLength | UniformLength | LognormalLength


def spread_length(nominal_tokens: int, spread: float) -> LengthDistribution:
    """Uniform from (1 - spread) to 1 of the nominal length, as InferenceX and vLLM's benchmark draw it."""
    if not 0 <= spread < 1:
        raise InputError(f"length spread must be in [0, 1), got {spread:g}")
    low = max(int(nominal_tokens * (1.0 - spread) + 1e-9), 1)  # 1000 * (1 - 0.2) is a hair below 800
    if low == nominal_tokens:
        return FixedLength(tokens=nominal_tokens)
    return UniformLength(low_tokens=low, high_tokens=nominal_tokens)


def _check(what: str, tokens: float) -> None:
    if not 1 <= tokens <= MOST_TOKENS:
        raise InputError(f"{what} must be from 1 to {MOST_TOKENS:,} tokens, got {tokens:g}")
