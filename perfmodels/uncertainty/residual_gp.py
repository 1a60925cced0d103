"""What is left of measured runs after physics, as random effects: kriging on nested groups.

Residuals log(predicted / measured) of runs that share something (engine and GPU, kind of model,
engine version ...) are alike, the more so the more alike their plan and load are. Each level of grouping
adds a covariance: amplitudes a (a constant shift of the group) and b (one that varies smoothly with
dimensionless features). The mean of the posterior corrects a prediction and shrinks to nothing where no
run resembles the question; its standard deviation says how sure that is. Source: Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, ch. 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray

Levels = Mapping[str, str]  # level -> the group a run belongs to
Amplitudes = Mapping[str, tuple[float, float]]  # level -> (constant, smooth), in logs


_MOST_NEIGHBOURS = 150  # runs that judge how sure a correction is; more hardly change it


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Runs that share something with one combination of groups.

    features [n, d]; constant [n] and smooth [n] are the covariances with the question that do not and do
    depend on features.
    """

    features: FloatArray
    constant: FloatArray
    smooth: FloatArray

    def covariance(self, features: FloatArray) -> FloatArray:
        """Covariance [m, n] of questions at `features` [m, d] with the runs."""
        total: FloatArray = self.constant + self.smooth * closeness(features, self.features)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalKriging:
    """The posterior for one combination of groups.

    runs and their weights [n] give the mean, judges (the nearest kin among them, thinned) and the
    inverse [k, k] of their own covariance the variance. prior is the variance of a question that no run
    resembles.
    """

    runs: Neighbours
    weights: FloatArray
    judges: Neighbours
    inverse: FloatArray
    prior: float

    def mean(self, features: FloatArray) -> FloatArray:
        """Expected residual at `features` [m, d]; zeros where no run shares anything."""
        result: FloatArray = np.asarray(self.runs.covariance(features) @ self.weights, dtype=np.float64)
        return result

    def variance(self, features: FloatArray) -> FloatArray:
        """Its variance at `features` [m, d], that of a single run's noise not included."""
        covariance = self.judges.covariance(features)
        explained = np.einsum("ij,ij->i", covariance @ self.inverse, covariance)
        variance: FloatArray = np.clip(self.prior - explained, 1e-8, self.prior)
        return variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Kriging:
    """Residuals of measured runs and how they are alike.

    features [n, d] dimensionless, residuals [n] in logs, noise [n] their variances. codes: level -> the
    group of each run [n] as a number; vocabulary: level -> the groups' names by number. weights [n] are
    (K + noise)^-1 residuals; kin is the level whose members judge how sure a correction is.
    """

    features: FloatArray
    residuals: FloatArray
    noise: FloatArray
    codes: Mapping[str, NDArray[np.int64]]
    vocabulary: Mapping[str, Sequence[str]]
    amplitudes: Amplitudes
    kin: str
    weights: FloatArray
    _known: dict[tuple[str, ...], LocalKriging] = field(default_factory=dict, compare=False, repr=False)
    _inverses: dict[bytes, FloatArray] = field(default_factory=dict, compare=False, repr=False)

    def at(self, levels: Levels) -> LocalKriging:
        """The posterior for one combination of groups, computed once."""
        key = tuple(levels[name] for name in self.amplitudes)
        if key not in self._known:
            self._known[key] = self._local(levels)
        return self._known[key]

    def _local(self, levels: Levels) -> LocalKriging:
        shared = {name: self._members(name, levels[name]) for name in self.amplitudes}
        anything = np.any(np.stack(list(shared.values())), axis=0)
        rows = np.flatnonzero(anything)
        kin = np.flatnonzero(shared[self.kin])
        judges = _thinned(kin if len(kin) else rows)
        return LocalKriging(
            runs=self._neighbours(rows, shared),
            weights=self.weights[rows],
            judges=self._neighbours(judges, shared),
            inverse=self._inverse(judges),
            prior=prior_variance(self.amplitudes),
        )

    def _inverse(self, rows: NDArray[np.intp]) -> FloatArray:
        """Inverse covariance of the runs at `rows`, noise included, computed once."""
        key = rows.tobytes()
        if key not in self._inverses:
            own = self.covariance(rows) + np.diag(self.noise[rows])
            self._inverses[key] = np.asarray(np.linalg.inv(own), dtype=np.float64)
        return self._inverses[key]

    def _neighbours(self, rows: NDArray[np.intp], shared: Mapping[str, NDArray[np.bool_]]) -> Neighbours:
        constant, smooth = np.zeros(len(rows)), np.zeros(len(rows))
        for name, (steady, varying) in self.amplitudes.items():
            constant += np.where(shared[name][rows], steady**2, 0.0)
            smooth += np.where(shared[name][rows], varying**2, 0.0)
        return Neighbours(features=self.features[rows], constant=constant, smooth=smooth)

    def resemblance(self, levels: Levels, features: FloatArray) -> FloatArray:
        """Prior correlation of every run [n] with one question at `features` [d]: 1 for the very same."""
        total = np.zeros(len(self.residuals))
        near = closeness(features[None, :], self.features)[0]
        for name, (constant, smooth) in self.amplitudes.items():
            shared = self._members(name, levels[name])
            total += np.where(shared, constant**2 + smooth**2 * near, 0.0)
        result: FloatArray = total / prior_variance(self.amplitudes)
        return result

    def _members(self, level: str, group: str) -> NDArray[np.bool_]:
        names = self.vocabulary[level]
        members: NDArray[np.bool_] = self.codes[level] == (names.index(group) if group in names else -1)
        return members

    def covariance(self, rows: NDArray[np.intp]) -> FloatArray:
        """Covariance of the runs at `rows` with one another, noise not included."""
        near = closeness(self.features[rows], self.features[rows])
        total = np.zeros((len(rows), len(rows)))
        for name, (constant, smooth) in self.amplitudes.items():
            group = self.codes[name][rows]
            same = group[:, None] == group[None, :]
            total += np.where(same, constant**2 + smooth**2 * near, 0.0)
        return total


def solved(model: Kriging) -> Kriging:
    """The same with its weights."""
    own = model.covariance(np.arange(len(model.residuals))) + np.diag(model.noise)
    weights = np.asarray(np.linalg.solve(own, model.residuals), dtype=np.float64)
    return replace(model, weights=weights, _known={}, _inverses={})


def _thinned(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most so many of the rows, evenly spread over the table."""
    if len(rows) <= _MOST_NEIGHBOURS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MOST_NEIGHBOURS).astype(np.intp)]


def closeness(left: FloatArray, right: FloatArray) -> FloatArray:
    """exp(-d^2/2) of the distance d between the rows of two feature tables."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2.0 * left @ right.T
    near: FloatArray = np.exp(-0.5 * np.maximum(squares, 0.0))
    return near


def prior_variance(amplitudes: Amplitudes) -> float:
    """Variance of a run that resembles no other."""
    return float(sum(a * a + b * b for a, b in amplitudes.values()))


def group_left_out(model: Kriging, groups: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (noise included) of every residual from the runs of all other groups.

    In closed form from one inverse: with Q = (K + noise)^-1 the residuals of group g less their
    prediction are Q_gg^-1 (Q r)_g, with covariance Q_gg^-1 (Rasmussen and Williams, section 5.4.2).
    """
    rows = np.arange(len(model.residuals))
    inverse = np.linalg.inv(model.covariance(rows) + np.diag(model.noise))
    pulled = inverse @ model.residuals
    mean, variance = np.zeros(len(rows)), np.zeros(len(rows))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        block = np.linalg.inv(inverse[np.ix_(members, members)])
        mean[members] = model.residuals[members] - block @ pulled[members]
        variance[members] = np.diag(block)
    return mean, variance
