"""A folder of `benchmark` as a candidate: the deployment as predicted, its figures as measured."""

import math
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.prediction_files import KIND
from simkit.formats.written_models import AboutPart, PredictionPart, check_written
from simkit.io.reading import Bounds, read_json_object

PREDICTION = "prediction.json"
_AGAIN = "measure again with simkit benchmark"
_REACH_90 = 1.645  # standard deviations of a mean on either side
_STATISTICS = ("mean", "p50", "p75", "p90", "p95", "p99")
_RATES = ("output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user", "request_rate_per_s")


def is_measured(folder: Path) -> bool:
    """Whether a benchmark of a predicted deployment lies there."""
    return (folder / PREDICTION).is_file() and (folder / "run.json").is_file()


def measured_candidate(folder: Path) -> dict[str, Any]:
    """The candidate's document with what was measured; nothing of the prediction's figures stays in it.

    lo and hi bound a mean by the spread over its requests; None where the tool did not say that spread.
    Raises InputError where the folder says no deployment.
    """
    path = folder / PREDICTION
    document = read_json_object(path, Bounds(most=50_000_000, remedy=_AGAIN))
    about = document.get("about")
    if document.get("kind") != KIND or not isinstance(about, dict) or "num_gpus" not in about:
        raise InputError(f"{path}: says no deployment; {_AGAIN}")
    check_written(document, PredictionPart, path, _AGAIN)
    check_written(about, AboutPart, path, _AGAIN)
    run = read_run(folder)
    return {**{name: item for name, item in about.items() if name != "simulated"}, **_figures(about, run)}


def _figures(about: dict[str, Any], run: Run) -> dict[str, Any]:
    per_s, itl_s = run.output_tokens_per_s, run.itl.mean_s
    rates = (per_s, per_s and per_s / about["num_gpus"], itl_s and 1.0 / itl_s, run.requests_per_s)
    price = about.get("cost_per_million_output_tokens")  # for so many tokens as were predicted
    tokens = about.get("output_tokens_per_s") or 0.0
    return {
        "ttft_ms": _latency(run.ttft, run.num_requests),
        "itl_ms": _latency(run.itl, run.num_requests),
        "e2e_ms": _latency(run.e2e, run.num_requests),
        **dict(zip(_RATES, rates, strict=True)),
        "concurrency": run.concurrency or about.get("concurrency"),
        "goodput_per_s": run.goodput_per_s,
        "cost_per_million_output_tokens": price and per_s and price * tokens / per_s,
        "sla_probability": None,
        "meets_sla": None,
        "in_domain": True,
        "bottleneck": "not measured",
        "notes": list(run.notes),
    }


def _latency(spread: MeasuredSpread, requests: int) -> dict[str, float | None]:
    found = {name: getattr(spread, f"{name}_s") for name in _STATISTICS}
    known = spread.mean_s is not None and spread.std_s is not None and requests > 0
    reach = _REACH_90 * (spread.std_s or 0.0) / math.sqrt(max(requests, 1))
    ends = (found["mean"] - reach, found["mean"] + reach) if known else (None, None)
    return {
        name: None if value is None else 1e3 * value
        for name, value in {**found, "lo": ends[0], "hi": ends[1]}.items()
    }
