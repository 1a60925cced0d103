"""Left-out predictions as tables: what reports, studies of decisions and benchmarks read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.intervals import ErrorModel
from simkit.calibration.errors import Sample, samples
from simkit.calibration.left_out import LeftOut
from simkit.calibration.training import TrainingRuns
from simkit.core.residual_models import METRICS

if TYPE_CHECKING:
    import pandas as pd


def left_out_table(
    run_ids: "pd.Series[str]", runs: TrainingRuns, found: LeftOut, errors: Mapping[str, ErrorModel]
) -> "pd.DataFrame":
    """One row per run: predicted means, 90 % bounds [ms] and log standard deviations of TTFT and ITL."""
    import pandas as pd

    table = pd.DataFrame({"run_id": run_ids.to_numpy()})
    rows = samples(runs, found)
    for metric in METRICS:
        sample = rows[metric]
        low, high = errors[metric].interval(sample.predicted, log_sd=sample.log_sd)
        table[f"predicted_{metric}_ms_mean"] = sample.predicted * 1e3
        table[f"predicted_{metric}_ms_lo"] = low * 1e3
        table[f"predicted_{metric}_ms_hi"] = high * 1e3
        table[f"{metric}_log_sd"] = sample.log_sd
    return table


def bootstrap(sample: Sample, groups: np.ndarray, share: float, draws: int = 500) -> tuple[float, float]:
    """90 % interval of a quantile of the absolute error, whole groups drawn with replacement."""
    rng = np.random.default_rng(11)
    names, position = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(position == number) for number in range(len(names))]
    error: FloatArray = sample.error
    found = []
    for _ in range(draws):
        chosen = rng.integers(0, len(names), len(names))
        found.append(np.quantile(error[np.concatenate([members[i] for i in chosen])], share))
    low, high = np.quantile(found, [0.05, 0.95])
    return float(low), float(high)
