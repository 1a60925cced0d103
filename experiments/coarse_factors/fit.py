"""Which plain efficiency factors and host times per engine describe the measured runs best?

Fits the fields of perfmodels.efficiency.Efficiency for each engine on data/runs/serving_runs_fit.csv,
pooled towards their mean over engines, and scores them on groups left out (`split_group`). Writes
data/calibration/factors.json (factors fitted on all runs) and data/calibration/errors.json
(quantiles of the errors on left-out groups, from which intervals are made).

    python experiments/coarse_factors/fit.py        # about ten minutes on two cores; `make calibrate`
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import least_squares

from perfmodels.efficiency import Efficiency
from perfmodels.intervals import fit_error_model
from perfmodels.learned import LearnedTimes
from perfmodels.opfamily import Dims, OpFamily
from simkit.core.engine_model import EngineModel
from simkit.io.loading import load_model
from simkit.io.paths import data_dir
from simkit.io.predictions import Block, block_times, blocks, complete_table, engine_model_of
from simkit.io.yamlio import write_text_atomic

RUNS = "runs/serving_runs_fit.csv"
# What tables cannot tell; the shares of peak stay at their defaults, as few operators still need them.
NAMES = (
    "gemm_scale", "moe_scale", "attention_scale", "comm_scale", "call_s", "eager_call_s",
    "step_host_s", "seq_host_s", "request_host_s", "request_token_s", "request_serial_s", "in_step_frac",
)  # fmt: skip
FOLDS = 5
ROUNDS = 2
# Residual scales: about the noise we can hope to explain, beyond which rows count less and less.
ITL_SCALE, TTFT_SCALE = 0.10, 0.25
# How far an engine may stray from the mean of engines, and that mean from the defaults (in logs).
SCALE_SPREAD, LAUNCH_SPREAD, HOST_SPREAD = 0.15, 0.25, 1.0
DEFAULT_SPREAD = 0.7
MAX_FRAC, MIN_FRAC = 0.95, 0.02
MAX_IDLE_S = 0.12  # an idle server answers a short prompt faster than this; more is load, not host time


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered(LearnedTimes):
    """Learned times that are looked up once: the factors being fitted do not change them."""

    _known: dict[tuple[object, ...], np.ndarray | None] = field(default_factory=dict, compare=False)

    def time_s(self, family: OpFamily, variant: str, dims: Dims) -> np.ndarray | None:
        """As LearnedTimes, from memory where asked before."""
        sizes = tuple((name, np.shape(v), np.asarray(v).tobytes()) for name, v in dims.items())
        key = (family.name, variant, sizes)
        if key not in self._known:
            # slots make a new class, which super() does not know
            self._known[key] = LearnedTimes.time_s(self, family, variant, dims)
        return self._known[key]


def remembering(model: EngineModel) -> EngineModel:
    """The model with remembered times."""
    plain = model.learned
    names = ("device", "engine", "gpus", "catalogue", "links")
    return replace(model, learned=Remembered(**{name: getattr(plain, name) for name in names}))


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows of one block with what they measured and how much they count."""

    block: Block
    model: EngineModel
    ttft_s: np.ndarray
    itl_s: np.ndarray
    weight: np.ndarray


def parts_of(frame: pd.DataFrame) -> list[Part]:
    """Blocks of one table, with weights of one over the root of the rows of a deployment."""
    table = complete_table(frame)
    size = frame.groupby("deployment_group")["run_id"].transform("size").to_numpy()
    found = []
    for block in blocks(table, np.arange(len(table))):
        rows = frame.iloc[block.index]
        found.append(
            Part(
                block=block,
                model=remembering(engine_model_of(block.key)),
                ttft_s=rows["ttft_ms_mean"].to_numpy() * 1e-3,
                itl_s=rows["itl_ms_mean"].to_numpy() * 1e-3,
                weight=1.0 / np.sqrt(size[block.index]),
            )
        )
    return found


def log_errors(parts: Iterable[Part], factors: Efficiency) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log(predicted / measured) of TTFT and ITL, and weights."""
    columns = []
    for part in parts:
        times = block_times(replace(part.model, efficiency=factors), part.block)
        columns.append((np.log(times.ttft_s / part.ttft_s), np.log(times.itl_s / part.itl_s), part.weight))
    ttft, itl, weight = (np.concatenate(column) for column in zip(*columns, strict=True))
    return ttft, itl, weight


def to_vector(factors: Efficiency) -> np.ndarray:
    """Factors as logs; a zero time counts as a tenth of a microsecond."""
    return np.array([math.log(max(getattr(factors, name), 1e-7)) for name in NAMES])


def to_factors(vector: np.ndarray) -> Efficiency:
    """The inverse of to_vector."""
    return Efficiency(**{name: float(np.exp(value)) for name, value in zip(NAMES, vector, strict=True)})


def spreads() -> np.ndarray:
    """Prior widths of the factors within an engine."""
    launches = ("call_s", "eager_call_s")
    width = {name: SCALE_SPREAD for name in NAMES if name.endswith("_scale")}
    width |= dict.fromkeys(launches, LAUNCH_SPREAD)
    return np.array([width.get(name, HOST_SPREAD) for name in NAMES])


def fit_engine(parts: list[Part], centre: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Factors of one engine, pulled towards `centre`; robust least squares on log errors."""
    upper = np.array([math.log(MAX_FRAC) if name.endswith("_frac") else 2.0 for name in NAMES])
    upper[NAMES.index("request_host_s")] = math.log(MAX_IDLE_S)
    lower = np.array([math.log(MIN_FRAC) if name.endswith("_frac") else -18.0 for name in NAMES])

    def residuals(vector: np.ndarray) -> np.ndarray:
        ttft, itl, weight = log_errors(parts, to_factors(vector))
        root = np.sqrt(weight)
        errors = np.concatenate([root * ttft / TTFT_SCALE, root * itl / ITL_SCALE])
        robust = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([robust, (vector - centre) / spreads()])

    inside = np.clip(start, lower + 1e-6, upper - 1e-6)
    return least_squares(residuals, inside, bounds=(lower, upper), diff_step=1e-3, max_nfev=25).x


def fit_factors(frame: pd.DataFrame) -> dict[str, Efficiency]:
    """Factors by engine: engines and their mean in turn."""
    default = to_vector(Efficiency(request_token_s=5e-6, request_serial_s=2e-2))
    engines = sorted(frame["backend"].unique())
    parts = {name: parts_of(frame[frame["backend"] == name].reset_index(drop=True)) for name in engines}
    vectors = dict.fromkeys(engines, default)
    centre = default
    for _ in range(ROUNDS):
        vectors = {name: fit_engine(parts[name], centre, vectors[name]) for name in engines}
        mean = np.mean(list(vectors.values()), axis=0)
        scales = np.array([name.endswith("_scale") for name in NAMES])
        trust = np.where(scales, SCALE_SPREAD, DEFAULT_SPREAD)  # a table is near the truth as it is
        pull = (spreads() / trust) ** 2 / len(engines)
        centre = (mean + pull * default) / (1.0 + pull)
    return {name: to_factors(vector) for name, vector in vectors.items()}


def folds_of(frame: pd.DataFrame) -> np.ndarray:
    """A fold number for every row; groups stay together."""
    groups = frame["split_group"].unique()
    number = np.random.default_rng(7).permutation(len(groups)) % FOLDS
    return frame["split_group"].map(dict(zip(groups, number, strict=True))).to_numpy()


def left_out(frame: pd.DataFrame, fold: int) -> pd.DataFrame:
    """Predictions of the rows of one fold by factors fitted on the others."""
    held = folds_of(frame) == fold
    factors = fit_factors(frame[~held].reset_index(drop=True))
    table = frame[held].reset_index(drop=True)
    found = np.full((len(table), 2), np.nan)
    for part in parts_of(table):
        backend = part.model.engine.backend
        times = block_times(replace(part.model, efficiency=factors[backend]), part.block)
        found[part.block.index] = np.column_stack([times.ttft_s, times.itl_s])
    return table.assign(fold=fold, ttft_s=found[:, 0], itl_s=found[:, 1])


def without_tables(frame: pd.DataFrame, factors: dict[str, Efficiency]) -> pd.DataFrame:
    """Predictions as if no GPU of a run's own generation had operator tables."""
    found = np.full((len(frame), 2), np.nan)
    for part in parts_of(frame):
        own = part.model.device.generation.removesuffix("_ultra")
        learned = part.model.learned
        others = tuple(item for item in learned.gpus if item.generation.removesuffix("_ultra") != own)
        lent = replace(learned, gpus=others, _picks={}, _known={})
        model = replace(part.model, efficiency=factors[part.model.engine.backend], learned=lent)
        times = block_times(model, part.block)
        found[part.block.index] = np.column_stack([times.ttft_s, times.itl_s])
    return frame.assign(ttft_s=found[:, 0], itl_s=found[:, 1])


def spread(scored: pd.DataFrame, metric: str) -> float:
    """Width of the middle 90 % of log errors, every group counting alike."""
    model = fit_error_model(*error_pairs(scored)[metric], group_weights(scored))
    low, high = model.interval(1.0)
    return float(np.log(high / low))


def error_pairs(scored: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(predicted, measured) in seconds by metric."""
    decodes = scored["osl_tokens"].to_numpy() - 1.0
    ttft, itl = scored["ttft_ms_mean"].to_numpy() * 1e-3, scored["itl_ms_mean"].to_numpy() * 1e-3
    p_ttft, p_itl = scored["ttft_s"].to_numpy(), scored["itl_s"].to_numpy()
    return {
        "ttft": (p_ttft, ttft),
        "itl": (p_itl, itl),
        "e2e": (p_ttft + decodes * p_itl, ttft + decodes * itl),
    }


def coverage(scored: pd.DataFrame, metric: str) -> float:
    """Share of rows inside the 90 % interval made from the other folds' errors."""
    inside = []
    for fold in range(FOLDS):
        here, others = scored[scored["fold"] == fold], scored[scored["fold"] != fold]
        model = fit_error_model(*error_pairs(others)[metric], group_weights(others))
        predicted, measured = error_pairs(here)[metric]
        low, high = model.interval(predicted)
        inside.append((measured >= low) & (measured <= high))
    return float(np.mean(np.concatenate(inside)))


def group_weights(frame: pd.DataFrame) -> np.ndarray:
    """One over the rows of each row's group."""
    return (1.0 / frame.groupby("split_group")["run_id"].transform("size")).to_numpy()


def domain(frame: pd.DataFrame) -> list[list[str]]:
    """GPU, engine and kind of model of the measured runs."""
    kind = frame["model"].map(lambda name: load_model(name).shape.architecture_class)
    triples = set(zip(frame["gpu"], frame["backend"], kind, strict=True))
    return [list(item) for item in sorted(triples)]


def document(path: Path, body: dict[str, object]) -> str:
    """JSON with the hash of what it was fitted on and of itself."""
    body = {"source": RUNS, "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **body}
    text = json.dumps(body, indent=1, sort_keys=True)
    return (
        json.dumps({**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}, indent=1, sort_keys=True)
        + "\n"
    )


def rounded(values: Iterable[float]) -> list[float]:
    """Six significant digits."""
    return [float(f"{value:.6g}") for value in values]


def main(say: Callable[[str], object] = print) -> None:
    """Fit, score, write."""
    path = data_dir() / RUNS
    frame = pd.read_csv(path, low_memory=False)
    scored = pd.concat(Parallel(n_jobs=2)(delayed(left_out)(frame, fold) for fold in range(FOLDS)))
    scored = scored.reset_index(drop=True)
    final = fit_factors(frame)
    lent = without_tables(frame, final)
    metrics = {}
    for metric, (predicted, measured) in error_pairs(scored).items():
        model = fit_error_model(predicted, measured, group_weights(scored))
        error = np.abs(predicted / measured - 1.0)
        metrics[metric] = {
            "levels": list(model.levels),
            "log_ratios": rounded(model.log_ratios),
            "num_groups": model.num_groups,
            "beyond_scale": float(f"{max(spread(lent, metric) / spread(scored, metric), 1.0):.3g}"),
            "left_out_mdape": float(f"{np.median(error):.4g}"),
            "left_out_p90": float(f"{np.quantile(error, 0.9):.4g}"),
            "left_out_coverage90": float(f"{coverage(scored, metric):.4g}"),
        }
        say(f"{metric}: {metrics[metric]['left_out_mdape']:.1%} median, groups left out")
    factors = {
        name: {key: float(f"{getattr(value, key):.6g}") for key in NAMES} for name, value in final.items()
    }
    folder = data_dir() / "calibration"
    write_text_atomic(folder / "factors.json", document(path, {"engines": factors, "rows": len(frame)}))
    write_text_atomic(folder / "errors.json", document(path, {"metrics": metrics, "domain": domain(frame)}))


if __name__ == "__main__":
    main()
