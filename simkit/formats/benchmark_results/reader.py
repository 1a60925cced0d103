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
from simkit.formats.benchmark_results.fields import json_lines, load_json
from simkit.formats.benchmark_results.genai_perf import is_genai_perf, read_genai_perf
from simkit.formats.benchmark_results.guidellm import is_guidellm, read_guidellm
from simkit.formats.benchmark_results.inferencex import is_inferencex, read_inferencex
from simkit.formats.benchmark_results.llmd_report import is_llmd_report, read_llmd_report
from simkit.formats.benchmark_results.stored import STORED, is_stored, stored_runs
from simkit.formats.benchmark_results.vllm_bench import is_vllm_bench, read_vllm_bench

_KNOWN = (
    "AIPerf, vLLM bench, SGLang bench, genai-perf, GuideLLM, InferenceX, an llm-d report, or a run that "
    "simkit stored"
)


def read_runs(path: str | Path) -> list[Run]:
    """The runs in a file or an AIPerf folder; a sweep gives several.

    Raises InputError where it is none of the known formats, or the benchmark did not finish.
    """
    place = Path(path)
    if place.is_dir():
        return _folder(place)
    lines = json_lines(place)
    if lines and (len(lines) > 1 or place.suffix == ".jsonl") and all(map(_is_result, lines)):
        return [run for line in lines for run in document_runs(line, place)]
    if place.suffix == ".jsonl":
        return [read_records_run(place)]
    document = load_json(place)
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


def _is_result(line: Any) -> bool:
    """Whether one line of a file is a whole result: benchmarks append theirs, a line a run."""
    results = line if isinstance(line, list) and line else [line]
    return all(is_vllm_bench(item) or is_genai_perf(item) or is_inferencex(item) for item in results)


def document_runs(document: Any, path: Path) -> list[Run]:
    """The runs in a parsed document, or in a list of them. Raises InputError where no tool is known by it."""
    if isinstance(document, list) and document:
        return [run for item in document for run in document_runs(item, path)]
    for matches, read in _READERS:
        if matches(document):
            return read(document, path)
    keys = (
        ", ".join(str(key)[:40] for key in list(document)[:4])
        if isinstance(document, Mapping)
        else type(document).__name__
    )
    raise InputError(f"{path}: no known benchmark result ({keys}); expected one of {_KNOWN}")


# Which tool wrote a document, in the order in which that is asked.
_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Path], list[Run]]], ...] = (
    (is_stored, stored_runs),
    (is_aiperf, lambda document, path: [read_aiperf(path)]),
    (is_sweep, lambda document, path: read_sweep(path)),
    (is_inferencex, lambda document, path: [read_inferencex(document, path)]),
    (is_vllm_bench, lambda document, path: [read_vllm_bench(document, path)]),
    (is_genai_perf, lambda document, path: [read_genai_perf(document, path)]),
    (is_llmd_report, lambda document, path: [read_llmd_report(document, path)]),
    (is_guidellm, read_guidellm),
)
