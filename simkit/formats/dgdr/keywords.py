"""A request from keywords, as a notebook writes it: `model="Qwen/Qwen3-32B", gpu="h100_sxm", ttft_ms=500`."""

import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

from simkit.catalog.checkpoints import checkpoint_in
from simkit.core.errors import InputError, unknown_name
from simkit.core.milliseconds import looks_like_seconds, seconds_words
from simkit.core.request import Request, known_objective
from simkit.core.slo import known_statistic
from simkit.formats.dgdr.read import request_from_document, set_path
from simkit.formats.dgdr.rules import osl_tokens
from simkit.formats.user_calibration import read_own

# Each keyword and the field of a DGDR that it is; latencies are in milliseconds.
_FIELDS = {
    "model": "model",
    "backend": "backend",
    "gpu": "hardware.gpuSku",
    "total_gpus": "hardware.totalGpus",
    "gpus_per_node": "hardware.numGpusPerNode",
    "vram_mb": "hardware.vramMb",
    "isl": "workload.isl",
    "osl": "workload.osl",
    "concurrency": "workload.concurrency",
    "request_rate": "workload.requestRate",
    "ttft_ms": "sla.ttft",
    "itl_ms": "sla.itl",
    "e2e_latency_ms": "sla.e2eLatency",
}
_BOUNDS = {"ttft_ms": "ttft", "itl_ms": "itl", "e2e_latency_ms": "e2e"}
_MODES = {"agg": ("agg",), "disagg": ("disagg",), "both": ("agg", "disagg")}
_OTHERS = (
    "mode",
    "precision",
    "prefix_hit",
    "sla_statistic",
    "objective",
    "gpu_hour_price",
    "calibration",
)
KEYWORDS = (*_FIELDS, *_OTHERS)


def request_from_keywords(asked: Mapping[str, Any]) -> Request:
    """The request that keywords say. Raises InputError for one that is not known, or has no such value."""
    for name in asked:
        if name not in KEYWORDS:
            raise unknown_name("keyword", name, KEYWORDS, f"known are {', '.join(KEYWORDS)}")
    given = {name: value for name, value in asked.items() if value is not None}
    if "model" not in given:
        raise InputError('no model: give model="Qwen/Qwen3-32B", with gpu="h100_sxm" and total_gpus=8')
    document: dict[str, Any] = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "notebook"},
        "spec": {"model": str(given["model"])},
    }
    notes: tuple[str, ...] = ()
    if "precision" in given:
        model, words = checkpoint_in(str(given["model"]), str(given["precision"]))
        given, notes = {**given, "model": model.name}, (words,)
    for name, path in _FIELDS.items():
        if name in given:
            document = set_path(document, path, _plain(given[name]))
    _refuse_seconds(given, document)
    return _completed(request_from_document(document, "keywords", paired=False), given, notes)


def _plain(value: Any) -> Any:
    """Numbers of numpy and pandas as Python's own; a whole one as a whole number."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, Real):
        return value
    number = float(value)
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _refuse_seconds(given: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    for name, metric in _BOUNDS.items():
        value = given.get(name)
        if isinstance(value, Real) and looks_like_seconds(metric, float(value), osl_tokens(document)):
            raise InputError(f"{name}={float(value):g}: {'; '.join(seconds_words(float(value)))}")


def _completed(request: Request, given: Mapping[str, Any], notes: tuple[str, ...]) -> Request:
    """The request with what a DGDR has no field for."""
    mode = str(given.get("mode", "both"))
    if mode not in _MODES:
        raise unknown_name("mode", mode, _MODES, f"expected one of {', '.join(_MODES)}")
    slo = replace(request.slo, statistic=known_statistic(str(given.get("sla_statistic", "mean"))))
    return replace(
        request,
        modes=_MODES[mode],
        slo=slo,
        workload=replace(request.workload, prefix_hit=given.get("prefix_hit", 0.0)),
        optimization=known_objective(given["objective"]) if "objective" in given else request.optimization,
        gpu_hour_price=given.get("gpu_hour_price"),
        own=read_own(given["calibration"]) if "calibration" in given else None,
        warnings=(*notes, *request.warnings),
    )
