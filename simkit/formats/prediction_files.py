"""Predictions on disk, to be compared with measurements later: ours, a recommendation, an estimate."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simkit.compare.comparison import Band, Predicted
from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.formats.benchmark_results.fields import at, load_json, number
from simkit.formats.written_models import PredictionPart, check_written

KIND = "simkit.prediction"
_AGAIN = "make it again"
_LATENCIES = ("ttft", "itl", "e2e")


def prediction_document(predicted: Predicted, about: Mapping[str, Any]) -> dict[str, Any]:
    """What prediction.json holds: bands in seconds, the workload, and what it is about."""
    bands = {name: asdict(band) for name, band in predicted.bands.items()}
    return {"kind": KIND, "about": dict(about), "workload": asdict(predicted.workload), "bands": bands}


def read_prediction(path: str | Path) -> Predicted:
    """The prediction in a file, or in a folder that `recommend` or `benchmark` wrote.

    Raises InputError where it is none, or says no load.
    """
    place = Path(path)
    if place.is_dir():
        names = ("prediction.json", "recommendation.json")
        found = [place / name for name in names if (place / name).is_file()]
        if not found:
            raise InputError(f"{place}: neither {' nor '.join(names)} in it; give a prediction or its folder")
        place = found[0]
    document = load_json(place)
    if at(document, "kind") == KIND:
        return _own(document, place)
    candidate, workload = at(document, "selected") or document, at(document, "request", "workload")
    workload = workload if isinstance(workload, Mapping) else {}
    if at(candidate, "ttft_ms", "mean") is None:
        raise InputError(
            f"{place}: no prediction; expected recommendation.json, prediction.json or the JSON of estimate"
        )
    return _candidate(candidate, workload, place)


def _own(document: Mapping[str, Any], path: Path) -> Predicted:
    check_written(document, PredictionPart, path, _AGAIN)
    bands = {name: Band(**band) for name, band in document["bands"].items()}
    return Predicted(workload=_workload(document["workload"], path), bands=bands)


def _workload(values: Mapping[str, Any], path: Path) -> Workload:
    try:
        return Workload(**values)
    except (TypeError, InputError) as error:
        raise InputError(f"{path}: unknown workload ({error}); {_AGAIN}") from error


def _candidate(candidate: Mapping[str, Any], workload: Mapping[str, Any], path: Path) -> Predicted:
    """A candidate as `estimate` and `recommend` print it; its concurrency is the load, unless a rate was."""
    bands = {name: _band(at(candidate, f"{name}_ms"), path) for name in _LATENCIES}
    tokens = number(candidate.get("output_tokens_per_s"))
    if tokens is not None:
        bands["output_tokens_per_s"] = Band(mean=tokens)
    known = {name: number(value) for name, value in workload.items() if value is not None}
    if "request_rate_per_s" not in known:
        known.setdefault("concurrency", number(candidate.get("concurrency")))
    unread = next((name for name in known if known[name] is None), None)
    if unread:
        raise InputError(f"{path}: workload.{unread} is no number; {_AGAIN}")
    return Predicted(workload=_workload(known, path), bands=bands)


def _band(entry: Any, path: Path) -> Band:
    mean, low, high = (number(at(entry, name)) for name in ("mean", "lo", "hi"))
    if any(value is not None and not 0 <= value < 1e15 for value in (mean, low, high)):
        raise InputError(f"{path}: a latency below zero or beyond 1e15 ms; {_AGAIN}")
    if mean is None:
        raise InputError(f"{path}: a latency without a mean; the load was not sustained, predict another")
    scaled = [None if value is None else value * 1e-3 for value in (low, high)]
    return Band(mean=mean * 1e-3, lo=scaled[0], hi=scaled[1])
