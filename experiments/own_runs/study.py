"""How far a few of one's own runs sharpen the prediction of the rest of a sweep: held out, on public runs.

A sweep is every run of one deployment (model, GPUs, engine, formats, plan). Some of its runs are given to the
calibration, the others are predicted and compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perfmodels.uncertainty.intervals import NormalErrors
from perfmodels.uncertainty.user_runs import ITL_PRIOR, TTFT_PRIOR, OwnRuns, log_features, most_telling
from simkit.formats.user_calibration import table_features

SWEEP = (
    "model", "gpu", "backend", "precision", "mode", "num_gpus", "tp", "pp", "attn_dp", "ep", "moe_tp",
    "gemm_dtype", "moe_dtype",
)  # fmt: skip
FEWEST = 10
PRIORS = {"ttft": TTFT_PRIOR, "itl": ITL_PRIOR}

Choose = Callable[[np.ndarray, int], NDArray[np.intp]]


@dataclass(frozen=True)
class Sweep:
    """Features [n, k] of a sweep and its errors log(measured / predicted) by metric."""

    features: np.ndarray
    errors: dict[str, np.ndarray]


@dataclass
class Score:
    """Median errors of each sweep's held-out runs, before and after, and how often the band held them."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    constant: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)

    def line(self) -> tuple[float, float, float, float]:
        """Medians over sweeps: shipped, one constant factor, calibrated; share inside."""
        medians = [float(np.median(values)) for values in (self.before, self.constant, self.after)]
        return (*medians, float(np.mean(self.inside)))  # type: ignore[return-value]


def left_out_predictions(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with predictions by a model that has not seen their group.

    Read where `benchmarks/accuracy.py --write` left them, else made again, which takes some minutes.
    """
    kept = Path(__file__).resolve().parents[2] / "reports" / "accuracy" / "left_out.csv"
    if kept.is_file():
        table = pd.read_csv(kept)
        table = table[table["left_out_by"] == "split_group"].set_index("run_id").loc[runs["run_id"]]
        found = {m: table[f"predicted_{m}_ms_mean"].to_numpy() for m in PRIORS}
    else:
        from simkit.calibrate.left_out import left_out, shipped_whole
        from simkit.calibrate.training import training_runs

        said = left_out(training_runs(runs), "split_group", shipped_whole()).predicted
        found = {m: 1e3 * said[m] for m in PRIORS}
    return runs.assign(error="", **{f"predicted_{m}_ms_mean": values for m, values in found.items()})


def sweeps(joined: pd.DataFrame) -> list[Sweep]:
    """Every sweep with enough runs; joined holds measurements and predictions."""
    usable = joined[(joined["error"] == "") & (joined["ttft_ms_mean"] > 0) & (joined["itl_ms_mean"] > 0)]
    found = []
    for _, part in usable.groupby(list(SWEEP), dropna=False):
        if len(part) < FEWEST:
            continue
        errors = {
            metric: np.log(part[f"{metric}_ms_mean"] / part[f"predicted_{metric}_ms_mean"]).to_numpy(float)
            for metric in PRIORS
        }
        found.append(Sweep(features=log_features(table_features(part)), errors=errors))
    return found


def chosen(features: np.ndarray, count: int) -> NDArray[np.intp]:
    """The runs that `next-runs` would ask for."""
    nothing = np.empty((0, features.shape[1]))
    return most_telling((TTFT_PRIOR, ITL_PRIOR), nothing, features, features, count)[0]


def at_random(seed: int) -> Choose:
    """Runs drawn at random, always the same ones for a seed."""

    def choose(features: np.ndarray, count: int) -> NDArray[np.intp]:
        return np.random.default_rng((seed, len(features))).choice(len(features), count, replace=False)

    return choose


def score(found: list[Sweep], count: int, choose: Choose) -> dict[str, Score]:
    """Errors of the held-out runs of every sweep, given `count` of them."""
    scores = {metric: Score() for metric in PRIORS}
    for sweep in found:
        given = choose(sweep.features, count)
        rest = np.setdiff1d(np.arange(len(sweep.features)), given)
        for metric, prior in PRIORS.items():
            _add(scores[metric], sweep, metric, (given, rest), prior)
    return scores


def _add(score: Score, sweep: Sweep, metric: str, split: tuple, prior) -> None:
    given, rest = split
    errors = sweep.errors[metric]
    own = OwnRuns(prior=prior, features=sweep.features[given], log_ratios=errors[given])
    mean, spread = own.correct(sweep.features[rest])
    low, high = NormalErrors().interval(np.exp(mean), log_sd=spread)
    truth = np.exp(errors[rest])
    score.before.append(float(np.median(np.abs(1.0 / truth - 1.0))))
    score.constant.append(float(np.median(np.abs(np.exp(np.mean(errors[given])) / truth - 1.0))))
    score.after.append(float(np.median(np.abs(np.exp(mean) / truth - 1.0))))
    score.inside += list((truth >= low) & (truth <= high))
