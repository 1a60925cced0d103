"""Where increasing functions cross zero: many at once, each in its own bracket.

Chandrupatla's method: inverse quadratic interpolation where three points allow it, else bisection, which
copes with the kinks of interpolated tables. Source: T. R. Chandrupatla, Advances in Engineering Software 28
(1997).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray

_MOST_ROUNDS = 80
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(slots=True)
class _Bracket:
    """Two points around each root, the third that was last there, and the function at each."""

    near: FloatArray
    far: FloatArray
    third: FloatArray
    at_near: FloatArray
    at_far: FloatArray
    at_third: FloatArray

    def take(self, x: FloatArray, value: FloatArray) -> None:
        """A new point: it stands for the end that lies on its side."""
        same = np.sign(value) == np.sign(self.at_near)
        self.third, self.at_third = (
            np.where(same, self.near, self.far), np.where(same, self.at_near, self.at_far),
        )  # fmt: skip
        self.far, self.at_far = np.where(same, self.far, self.near), np.where(same, self.at_far, self.at_near)
        self.near, self.at_near = x, value

    @property
    def best(self) -> FloatArray:
        """The end that is nearer to a root."""
        return np.where(np.abs(self.at_near) < np.abs(self.at_far), self.near, self.far)

    def step(self, margin: FloatArray) -> FloatArray:
        """Where to look next, as a share of the way from near to far; margin keeps it off the ends."""
        run = (self.near - self.far) / (self.third - self.far)
        rise = (self.at_near - self.at_far) / (self.at_third - self.at_far)
        curved = (1.0 - np.sqrt(1.0 - run) < rise) & (rise < np.sqrt(run))
        back = (self.third - self.near) / (self.far - self.near)
        one = self.at_near / (self.at_far - self.at_near) * self.at_third / (self.at_far - self.at_third)
        other = self.at_near / (self.at_third - self.at_near) * self.at_far / (self.at_third - self.at_far)
        return np.clip(np.where(curved, one + back * other, 0.5), margin, 1.0 - margin)


def crossing(function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """x in [low, high] where `function`, increasing, is zero, to the last bits; arrays of one shape.

    Where it is not negative at low that is low; where it is negative at high, high.
    """
    at_low, at_high = function(low), function(high)
    outside = (at_low >= 0.0) | (at_high <= 0.0)
    state = _Bracket(low, high, low, at_low, at_high, at_low)
    share = np.full_like(low, 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_MOST_ROUNDS):
            x = state.near + share * (state.far - state.near)
            state.take(x, function(x))
            margin = 2.0 * _EPSILON * np.abs(state.best) / np.abs(state.far - state.near)
            if np.all(outside | (margin > 0.5) | (state.at_near == 0.0)):
                break
            share = state.step(np.minimum(margin, 0.5))
    return np.where(at_low >= 0.0, low, np.where(at_high <= 0.0, high, state.best))
