"""Predictions on disk, to be compared with measurements later: ours, a recommendation, an estimate."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simkit.compare.comparison import Band, Predicted
from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.formats.benchmark_results.fields import at, load_json, number

KIND = "simkit.prediction"
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
    candidate, workload = at(document, "selected") or document, at(document, "request", "workload") or {}
    if at(candidate, "ttft_ms", "mean") is None:
        raise InputError(
            f"{place}: no prediction; expected recommendation.json, prediction.json or the JSON of estimate"
        )
    return _candidate(candidate, workload, place)


def _own(document: Mapping[str, Any], path: Path) -> Predicted:
    try:
        bands = {str(name): Band(**band) for name, band in document["bands"].items()}
        return Predicted(workload=Workload(**document["workload"]), bands=bands)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged prediction ({error}); make it again") from error


def _candidate(candidate: Mapping[str, Any], workload: Mapping[str, Any], path: Path) -> Predicted:
    """A candidate as `estimate` and `recommend` print it; its concurrency is the load, unless a rate was."""
    bands = {name: _band(at(candidate, f"{name}_ms"), path) for name in _LATENCIES}
    tokens = number(candidate.get("output_tokens_per_s"))
    if tokens is not None:
        bands["output_tokens_per_s"] = Band(mean=tokens)
    known = {name: value for name, value in workload.items() if value is not None}
    if "request_rate_per_s" not in known:
        known.setdefault("concurrency", number(candidate.get("concurrency")))
    try:
        return Predicted(workload=Workload(**known), bands=bands)
    except TypeError as error:
        raise InputError(f"{path}: unknown workload ({error}); make it again") from error


def _band(entry: Any, path: Path) -> Band:
    mean, low, high = (number(at(entry, name)) for name in ("mean", "lo", "hi"))
    if mean is None:
        raise InputError(f"{path}: a latency without a mean; the load was not sustained, predict another")
    scaled = [None if value is None else value * 1e-3 for value in (low, high)]
    return Band(mean=mean * 1e-3, lo=scaled[0], hi=scaled[1])
