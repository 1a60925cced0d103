"""Fit predictions to measured runs and write the artifacts under data/calibration."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.uncertainty.intervals import ErrorModel
from perfmodels.uncertainty.residual_gp import solved
from simkit.calibrate.errors import at_home, coverage, error_model, inside, samples
from simkit.calibrate.factors import PRIORS, fit_factors
from simkit.calibrate.left_out import SCHEMES, LeftOut, Whole, left_out
from simkit.calibrate.residual_fit import ResidualTuning, krige, tune
from simkit.calibrate.training import TrainingRuns, predict_runs, training_runs
from simkit.catalog.calibrations import ERRORS, FACTORS, RESIDUALS, write_residuals
from simkit.catalog.models import load_model
from simkit.catalog.runs import MEASURED, read_table
from simkit.core.errors import InputError
from simkit.core.estimate import LATENCIES
from simkit.engines.engine_model import METRICS, MeasuredRuns, Residuals
from simkit.io.yamlio import write_text_atomic

if TYPE_CHECKING:
    import pandas as pd

Say = Callable[[str], object]
# What runs share that is measured together, for tables that do not say it.
_GROUPS = {
    "deployment_group": ("model", "gpu", "backend", "precision", "mode", "num_gpus", "tp", "attn_dp", "ep"),
    "split_group": ("model", "gpu", "backend", "precision", "mode", "num_gpus"),
}


def fit_tables(sources: Sequence[Path], folder: Path, say: Say) -> dict[str, Any]:
    """Fit to the measured runs of one or several tables; runs without both latencies are refused."""
    import pandas as pd

    frame = pd.concat([_measured(path) for path in sources], ignore_index=True)
    return fit_runs(sources, frame, folder, say)


def _measured(path: Path) -> "pd.DataFrame":
    frame = read_table(path)
    for name in MEASURED:
        if name not in frame or not (frame[name] > 0).all():
            raise InputError(f"{path}: column {name} must hold a positive number in every row")
    for name, parts in _GROUPS.items():
        if name not in frame:
            frame[name] = frame[[p for p in parts if p in frame]].astype(str).agg("|".join, axis=1)
    if "run_id" not in frame:
        frame["run_id"] = [f"{path.stem}-{number}" for number in range(len(frame))]
    return frame


def fit_runs(sources: Sequence[Path], frame: "pd.DataFrame", folder: Path, say: Say) -> dict[str, Any]:
    """Factors, residuals and errors from a table of runs; writes three artifacts, returns the scores.

    Deterministic: the same table gives the same files.
    """
    runs = training_runs(frame)
    say(f"{len(runs):,} runs: fitting factors")
    everything = np.ones(len(runs), dtype=bool)
    factors = fit_factors(runs, everything)
    fitted = predict_runs(runs, factors)
    say("tuning residuals")
    tunings = {metric: tune(runs, fitted, metric) for metric in METRICS}
    found = {}
    for scheme in SCHEMES:
        say(f"leaving out by {scheme}")
        found[scheme] = left_out(runs, scheme, Whole(factors=factors, tunings=tunings))
    residuals = Residuals(
        models={m: solved(krige(runs, fitted, m, (tunings[m], everything))) for m in METRICS},
        noise={metric: tuning.noise**2 for metric, tuning in tunings.items()},
        runs=MeasuredRuns(labels=_labels(frame), ttft_s=runs.ttft_s, itl_s=runs.itl_s),
    )
    origin = provenance(sources)
    plain = {n: {k: _round(getattr(value, k)) for k in PRIORS} for n, value in factors.items()}
    scores = {scheme: _scores(runs, found[scheme]) for scheme in SCHEMES}
    errors = {m: _errors(error_model(runs, found, m), (runs, found), m) for m in LATENCIES}
    families = sorted(set(map(str, runs.names["family"])))
    widest = max(float(pool.plan.num_gpus.max()) for part in runs.parts for pool in part.work.pools)
    domain = {"domain": _domain(frame), "families": families, "widest_engine_gpus": widest}
    document = {**origin, "rows": len(runs), "metrics": errors, "scores": scores, **domain}
    write_text_atomic(folder / Path(FACTORS).name, _text({**origin, "engines": plain, "rows": len(runs)}))
    write_text_atomic(folder / Path(ERRORS).name, _text(document))
    write_residuals(folder / Path(RESIDUALS).name, residuals, {**origin, "tunings": _plain(tunings)})
    return scores


def provenance(sources: Sequence[Path]) -> dict[str, Any]:
    """What was learned from, by name and content."""
    return {"sources": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}}


def _labels(frame: "pd.DataFrame") -> list[str]:
    """Each run in words, as people tell them apart."""
    plans = frame["tp"].fillna(frame.get("decode_tp", 1)) if "tp" in frame else [1] * len(frame)
    columns = zip(
        frame["model"], frame["backend"], plans, frame["gpu"], frame["isl_tokens"], frame["osl_tokens"],
        frame["concurrency"], strict=True,
    )  # fmt: skip
    return [
        f"{model}, {backend} tp{int(tp)} on {gpu}, {int(isl):,}/{int(osl):,} at {int(load):,} in flight"
        for model, backend, tp, gpu, isl, osl, load in columns
    ]


def _errors(
    model: ErrorModel, asked: tuple[TrainingRuns, Mapping[str, LeftOut]], metric: str
) -> dict[str, Any]:
    runs, found = asked
    return {
        "levels": list(model.levels),
        "log_ratios": [_round(value) for value in model.log_ratios],
        "beyond_ratios": [_round(value) for value in model.beyond_ratios],
        "num_groups": len(np.unique(runs.names["split_group"])),
        "coverage90": {
            scheme: _round(float(np.mean(inside(samples(runs, one)[metric], model, at_home(runs, scheme)))))
            for scheme, one in found.items()
        },
    }


def _scores(runs: TrainingRuns, found: LeftOut) -> dict[str, Any]:
    rows = samples(runs, found)
    return {
        metric: {
            "mdape": _round(float(np.median(rows[metric].error))),
            "p90": _round(float(np.quantile(rows[metric].error, 0.9))),
            "coverage90_crossed": _round(coverage(runs, found, metric)),
        }
        for metric in LATENCIES
    }


def _plain(tunings: Mapping[str, ResidualTuning]) -> dict[str, Any]:
    return {m: {"amplitudes": dict(t.amplitudes), "noise": t.noise} for m, t in tunings.items()}


def _domain(frame: "pd.DataFrame") -> list[list[str]]:
    """GPU, engine and kind of model of the measured runs."""
    kinds: Iterable[str] = [load_model(name).shape.architecture_class for name in frame["model"]]
    triples = set(zip(frame["gpu"], frame["backend"], kinds, strict=True))
    return [list(item) for item in sorted(triples)]


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _text(body: Mapping[str, Any]) -> str:
    """JSON with the hash of its own content."""
    text = json.dumps(body, indent=1, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=1, sort_keys=True) + "\n"
