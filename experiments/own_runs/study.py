"""How far a few of one's own runs sharpen the prediction of the rest: held out, on public runs.

A cluster is every run of one model, GPU, engine, format and mode. Some of its runs are given to the
calibration, the others are predicted and compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perfmodels.uncertainty.intervals import NormalErrors
from perfmodels.uncertainty.user_runs import Locations, OwnRuns, Places, log_features, most_telling
from simkit.core.user_calibration import PRIORS
from simkit.formats.user_calibration import table_doubts, table_features

CLUSTER = ("model", "gpu", "backend", "precision", "mode")
FEWEST = 8
DRAWS = 5
LEFT_OUT = Path(__file__).resolve().parents[2] / "reports" / "accuracy" / "left_out.csv"


@dataclass(frozen=True)
class Cluster:
    """Where its runs lie, and their errors log(measured / predicted) by metric."""

    places: Places
    errors: dict[str, np.ndarray]

    def points(self, metric: str) -> Locations:
        """Where its runs lie, as one metric sees it."""
        return Locations(features=self.places.features, doubts=self.places.doubts[list(PRIORS).index(metric)])


@dataclass
class Score:
    """Errors of held-out runs before and after, each with its weight; how the band held; the worst pick."""

    before: list[np.ndarray] = field(default_factory=list)
    after: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    spoiled: list[float] = field(default_factory=list)

    def line(self) -> tuple[float, ...]:
        """Median and p90 before, the same after, share inside, what the unluckiest 5 % of picks cost."""
        weights = np.concatenate(self.weights)
        ends = [
            quantile(np.concatenate(e), weights, q) for e in (self.before, self.after) for q in (0.5, 0.9)
        ]
        return (*ends, float(np.mean(self.inside)), float(np.quantile(self.spoiled, 0.95)))


def quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """Weighted quantile."""
    order = np.argsort(values)
    mass = np.cumsum(weights[order]) / np.sum(weights)
    return float(values[order][np.searchsorted(mass, level)])


def left_out_predictions(runs: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Runs with predictions by a model that has seen nothing of their group, or of their family."""
    table = pd.read_csv(LEFT_OUT)
    table = table[table["left_out_by"] == scheme].set_index("run_id").loc[runs["run_id"]]
    said = {name: table[name].to_numpy() for name in table if name.startswith("predicted_")}
    return runs.assign(error="", **said)


def clusters(joined: pd.DataFrame) -> list[Cluster]:
    """Every cluster with enough runs; joined holds measurements and predictions."""
    usable = joined[(joined["ttft_ms_mean"] > 0) & (joined["itl_ms_mean"] > 0)]
    found = []
    for _, part in usable.groupby(list(CLUSTER), dropna=False):
        if len(part) < FEWEST:
            continue
        errors = {
            metric: np.log(part[f"{metric}_ms_mean"] / part[f"predicted_{metric}_ms_mean"]).to_numpy(float)
            for metric in PRIORS
        }
        doubts = np.array([table_doubts(part, metric) for metric in PRIORS])
        places = Places(features=log_features(table_features(part)), doubts=doubts)
        found.append(Cluster(places=places, errors=errors))
    return found


Choose = Callable[[Places, int], Iterator[NDArray[np.intp]]]


def chosen(places: Places, count: int) -> Iterator[NDArray[np.intp]]:
    """The runs that `next-runs` would ask for."""
    yield most_telling(tuple(PRIORS.values()), places.at([]), places, places, count)[0]


def any_of(places: Places, count: int) -> Iterator[NDArray[np.intp]]:
    """Every single run, or draws of several, always the same ones."""
    size = len(places.features)
    if count == 1:
        yield from (np.array([index]) for index in range(size))
        return
    rng = np.random.default_rng((count, size))
    yield from (rng.choice(size, count, replace=False) for _ in range(DRAWS))


def score(found: list[Cluster], count: int, choose: Choose) -> dict[str, Score]:
    """Errors of the held-out runs of every cluster, given `count` of them; each cluster's runs count once."""
    scores = {metric: Score() for metric in PRIORS}
    for cluster in found:
        picks = list(choose(cluster.places, count))
        for given in picks:
            for metric in PRIORS:
                _add(scores[metric], cluster, metric, (given, 1.0 / len(picks)))
    return scores


def _add(score: Score, cluster: Cluster, metric: str, asked: tuple[NDArray[np.intp], float]) -> None:
    given, weight = asked
    errors, points = cluster.errors[metric], cluster.points(metric)
    rest = np.setdiff1d(np.arange(len(errors)), given)
    at, to = (Locations(features=points.features[i], doubts=points.doubts[i]) for i in (given, rest))
    own = OwnRuns(prior=PRIORS[metric], points=at, log_ratios=errors[given])
    mean, spread = own.correct(to)
    low, high = NormalErrors().interval(np.exp(mean), log_sd=np.minimum(spread, to.doubts))
    truth = np.exp(errors[rest])
    before, after = np.abs(1.0 / truth - 1.0), np.abs(np.exp(mean) / truth - 1.0)
    score.before.append(before)
    score.after.append(after)
    score.weights.append(np.full(len(rest), weight))
    score.inside.append(float(np.mean((truth >= low) & (truth <= high))))
    score.spoiled.append(float(np.median(after) - np.median(before)))
