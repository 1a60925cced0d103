"""Reports of what the verbs wrote into folders: recommendations, simulations, profiles, benchmarks."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel

from simkit.core.errors import InputError
from simkit.core.request import Tuning
from simkit.formats.recommendation_model import RecommendationPart
from simkit.formats.recommendations import read_recommendation
from simkit.formats.written_models import ComparisonPart, ProfilePart, SummaryPart, read_written
from simkit.io.frames import read_frame
from simkit.io.reading import DAMAGE, read_text
from simkit.reports.pages import Code, Page
from simkit.reports.views.measured_points import benchmark_page, profiled_page
from simkit.reports.views.recommendation import recommendation_page
from simkit.reports.views.simulated_run import simulation_page
from simkit.verbs.answer_files.closer_look import closer_look_again

_AGAIN = "simulate again with -o"
_SPREAD = ("counted", "ttft_s", "itl_s")
# Fields of a recommendation that not every one has.
_NOT_ALWAYS = {
    "alternatives", "finalists", "selected_row", "plan", "engine", "prefill", "decode", "model", "refusal",
    "gpu_hour_price", "version", "memory_frac", "moved", "stopped", "failed", "p50", "p75", "p90", "p95",
    "p99",
}  # fmt: skip


def recommendation_report(path: Path) -> Page:
    """The page of a recommendation, with its DGDs and what other loads do to it, predicted today."""
    file = path / "recommendation.json" if path.is_dir() else path
    document = read_recommendation(file)
    missing = next(_lacking(document), None)
    if missing:
        raise InputError(
            f"{file}: has no `{missing}`, an older simkit wrote it; run the command of its report again"
        )
    found = sorted(file.parent.glob("dgd*.yaml"), key=lambda item: (len(item.name), item.name))
    files = tuple(Code(name=item.name, text=read_text(item)) for item in found)
    return recommendation_page(document, replace(closer_look_again(document), files=files))


def _lacking(document: Mapping[str, Any]) -> Iterator[str]:
    """What the page shows and the document does not say."""
    yield from _missing(RecommendationPart, document, "")
    asked = document["request"]
    bounded = {name for name, bound in asked["sla"].items() if bound is not None}
    for name in sorted(bounded - set(asked["sla_statistics"] or ())):
        yield f"request.sla_statistics.{name}"
    for name in sorted({item.name for item in fields(Tuning)} - set(asked["tuning"])):
        yield f"request.tuning.{name}"
    if document["selected"]["concurrency"] is None:
        yield "selected.concurrency"
    if not document["candidates"]:
        yield "candidates"


def _missing(part: Any, value: Any, place: str) -> Iterator[str]:
    """Fields of a part, and of the parts within it, that a value of that type lacks."""
    if isinstance(value, list):
        for item in value:
            yield from _missing(part, item, place)
    elif isinstance(value, Mapping) and isinstance(part, type) and issubclass(part, BaseModel):
        for name, field in part.model_fields.items():
            if name in value:
                for inner in (field.annotation, *_inner(field.annotation)):
                    yield from _missing(inner, value[name], f"{place}{name}.")
            elif name not in _NOT_ALWAYS:
                yield f"{place}{name}"


def _inner(kind: Any) -> Iterator[Any]:
    """The types that a type is made of."""
    for part in get_args(kind):
        yield part
        yield from _inner(part)


def simulation_report(path: Path) -> Page:
    """The page of a simulated run."""
    summary = read_written(path / "summary.json", SummaryPart, _AGAIN)
    return simulation_page(summary, _columns(path / "timeline.csv"), _spread(path), f"simkit report {path}")


def profile_report(path: Path) -> Page:
    """The page of a profile, its points drawn."""
    return profiled_page(
        read_written(path / "profile_summary.json", ProfilePart, "profile again"), f"simkit report {path}"
    )


def benchmark_report(path: Path) -> Page:
    """The page of one benchmark beside its prediction."""
    return benchmark_page(
        read_written(path / "comparison.json", ComparisonPart, "benchmark again"),
        f"Benchmark in {path}",
        f"simkit report {path}",
    )


def _columns(path: Path) -> dict[str, list[float | None]]:
    """A CSV of numbers by column; empty cells are None."""
    frame = read_frame(path, _AGAIN)
    try:
        columns = {str(name): frame[name].to_numpy(np.float64) for name in frame.columns}
    except DAMAGE as error:
        raise InputError(f"{path}: not a table of numbers ({error}); {_AGAIN}") from error
    if "time_s" not in columns:
        raise InputError(f"{path}: lacks the column time_s; {_AGAIN}")
    return {
        name: [float(value) if np.isfinite(value) else None for value in values]
        for name, values in columns.items()
    }


def _spread(path: Path) -> dict[str, list[float]]:
    """Latencies of the requests that count [ms]; nothing where the run was too long to keep them."""
    file = path / "requests.parquet"
    if not file.is_file():
        return {}
    from pandas.api.types import is_numeric_dtype

    table = read_frame(file, _AGAIN, columns=_SPREAD)
    lacking = [name for name in _SPREAD if name not in table or not is_numeric_dtype(table[name].dtype)]
    if lacking:
        raise InputError(f"{file}: column {lacking[0]} is missing or no column of numbers; {_AGAIN}")
    counted = table[table["counted"].astype(bool)]
    return {
        name: (1e3 * counted[column][counted[column].between(0.0, 1e9)]).tolist()
        for name, column in (("TTFT", "ttft_s"), ("ITL", "itl_s"))
    }
