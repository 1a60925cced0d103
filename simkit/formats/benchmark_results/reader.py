"""Reads any result file or folder of a benchmark tool; the content says which tool wrote it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run
from simkit.formats.benchmark_results.aiperf import (
    EXPORT,
    RECORDS,
    SWEEP,
    is_aiperf,
    is_sweep,
    read_aiperf,
    read_sweep,
    read_sweep_folder,
)
from simkit.formats.benchmark_results.aiperf_records import read_records_run
from simkit.formats.benchmark_results.fields import load_json
from simkit.formats.benchmark_results.guidellm import is_guidellm, read_guidellm
from simkit.formats.benchmark_results.inferencex import is_inferencex, read_inferencex
from simkit.formats.benchmark_results.llmd_report import is_llmd_report, read_llmd_report
from simkit.formats.benchmark_results.stored import STORED, is_stored, stored_runs
from simkit.formats.benchmark_results.vllm_bench import is_vllm_bench, read_vllm_bench

_Several = tuple[Callable[[Any], bool], Callable[[Any, Path], list[Run]]]
_One = tuple[Callable[[Any], bool], Callable[[Any, Path], Run]]
# Told apart by their content; the first that knows a document reads it.
_SEVERAL: tuple[_Several, ...] = (
    (is_stored, stored_runs),
    (is_aiperf, lambda document, path: [read_aiperf(path)]),
    (is_sweep, lambda document, path: read_sweep(path)),
)
_ONE: tuple[_One, ...] = (
    (is_inferencex, read_inferencex),
    (is_vllm_bench, read_vllm_bench),
    (is_llmd_report, read_llmd_report),
)
_KNOWN = "AIPerf, vLLM bench, GuideLLM, InferenceX, an llm-d report, or a run that simkit stored"


def read_runs(path: str | Path) -> list[Run]:
    """The runs in a file or an AIPerf folder; a sweep gives several.

    Raises InputError where it is none of the known formats, or the benchmark did not finish.
    """
    place = Path(path)
    if place.is_dir():
        return _folder(place)
    if place.suffix == ".jsonl":
        return [read_records_run(place)]
    document = load_json(place)
    if isinstance(document, list) and document:
        return [run for item in document for run in document_runs(item, place)]
    return document_runs(document, place)


def read_run(path: str | Path) -> Run:
    """The one run of a file or folder. Raises InputError where it holds several."""
    runs = read_runs(path)
    if len(runs) != 1:
        raise InputError(
            f"{path}: holds {len(runs)} runs; give the folder or file of one, such as {runs[0].source.path}"
        )
    return runs[0]


def _folder(folder: Path) -> list[Run]:
    if (folder / STORED).is_file():
        return stored_runs(load_json(folder / STORED), folder / STORED)
    if (folder / EXPORT).is_file():
        return [read_aiperf(folder / EXPORT)]
    summary = next(iter(sorted(folder.rglob(SWEEP))), None)
    if summary is not None:
        return read_sweep(summary)
    found = read_sweep_folder(folder)
    if found:
        return found
    if (folder / RECORDS).is_file():
        return [read_records_run(folder / RECORDS)]
    raise InputError(
        f"{folder}: no {EXPORT} in it or below; give the artifact folder of a finished AIPerf run"
    )


def document_runs(document: Any, path: Path) -> list[Run]:
    """The runs in a parsed document. Raises InputError where it is of no known tool."""
    for is_ours, several in _SEVERAL:
        if is_ours(document):
            return several(document, path)
    for is_theirs, one in _ONE:
        if is_theirs(document):
            return [one(document, path)]
    if is_guidellm(document):
        return read_guidellm(document, path)
    keys = ", ".join(list(document)[:4]) if isinstance(document, Mapping) else type(document).__name__
    raise InputError(f"{path}: no known benchmark result ({keys}); expected one of {_KNOWN}")
