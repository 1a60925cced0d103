"""Sweeps of other tools, files or folders: every point with what its files say of the deployment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run
from simkit.formats.benchmark_results.aiconfigurator import is_pareto_csv, read_pareto_csv
from simkit.formats.benchmark_results.fields import RESULT, at, load_json, sha256_of
from simkit.formats.benchmark_results.inferencex import deployed_by_inferencex, is_inferencex
from simkit.formats.benchmark_results.llmd_report import deployed_by_llmd, is_llmd_report, read_llmd_report
from simkit.formats.benchmark_results.reader import document_runs, read_runs
from simkit.formats.benchmark_results.vllm_bench import deployed_by_vllm, is_vllm_bench
from simkit.io.reading import decoded, read_lines
from simkit.io.yamlio import load_document

AICONFIGURATOR = "aiconfigurator"
_VLLM_RUNS = "run=*.json"  # of `vllm bench sweep`, beside summaries of the same runs
_REPORTS = ("benchmark_report*.yaml", "benchmark_report*.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One point: who says it, the deployment and load as far as known, and its figures in our names."""

    tool: str
    file: str
    sha256: str
    deployed: Mapping[str, Any]
    figures: Mapping[str, float | None]
    predicted: bool = False
    notes: tuple[str, ...] = ()


def read_sweep_points(path: Path) -> list[SweepPoint]:
    """Every point below a path. Raises InputError where nothing known is there."""
    found = list(_points(path))
    if not found:
        raise InputError(f"{path}: no result of a known tool in it; give the folder or files of a sweep")
    return found


def _points(path: Path) -> Iterator[SweepPoint]:
    if not path.is_dir():
        yield from _of_file(path)
        return
    for pattern in (_VLLM_RUNS, *_REPORTS, "**/pareto.csv"):
        files = sorted(path.rglob(pattern) if not pattern.startswith("**") else path.glob(pattern))
        if files:
            for file in files:
                yield from _of_file(file)
            return
    singles = sorted(path.glob("*.json"))
    documents = [(file, load_json(file)) for file in singles]
    known = [file for file, document in documents if is_inferencex(document) or is_vllm_bench(document)]
    if known:
        for file in known:
            yield from _of_file(file)
        return
    yield from (_measured(run, {}) for run in read_runs(path))  # AIPerf's layouts, its operator's too


def _of_file(path: Path) -> Iterator[SweepPoint]:
    if path.suffix == ".csv":
        yield from _of_csv(path)
    elif path.suffix in (".yaml", ".yml"):
        yield from _of_document(load_document(path), path)
    elif path.suffix == ".jsonl":
        yield from (_measured(run, {}) for run in read_runs(path))
    else:
        document = load_json(path)
        for item in document if isinstance(document, list) else [document]:
            yield from _of_document(item, path)


def _of_document(document: Any, path: Path) -> Iterator[SweepPoint]:
    if is_llmd_report(document):
        yield _measured(read_llmd_report(document, path), deployed_by_llmd(document))
        return
    facts: dict[str, Any] = {}
    if is_inferencex(document):
        facts = deployed_by_inferencex(document)
    elif is_vllm_bench(document):
        facts = deployed_by_vllm(document)
    yield from (_measured(run, facts) for run in document_runs(document, path))


def _of_csv(path: Path) -> Iterator[SweepPoint]:
    import csv

    first = decoded(next(read_lines(path, RESULT), b""), str(path))
    try:
        header = next(csv.reader(first.splitlines()), [])
    except csv.Error as error:
        raise InputError(f"{path}: not CSV ({error}); give a table of AIConfigurator") from error
    if not is_pareto_csv(header):
        told = "no table of AIConfigurator (tokens/s/gpu, tokens/s/user and tpot expected)"
        raise InputError(f"{path}: {told}; of other tools give the JSON files of the runs")
    sha256 = sha256_of(path)
    for deployed, figures in read_pareto_csv(path):
        yield SweepPoint(
            tool=AICONFIGURATOR,
            file=str(path),
            sha256=sha256,
            deployed=deployed,
            figures=figures,
            predicted=True,
        )


def _measured(run: Run, facts: Mapping[str, Any]) -> SweepPoint:
    load = {
        "isl_tokens": run.isl_tokens, "osl_tokens": run.osl_tokens, "concurrency": run.concurrency,
        "request_rate_per_s": run.request_rate_per_s, "requests_per_slot": run.requests_per_slot,
        "length_spread": run.length_spread or None,
    }  # fmt: skip
    stated = {"model": run.model, **facts, **load}
    return SweepPoint(
        tool=run.source.tool,
        file=run.source.path,
        sha256=run.source.sha256 or "",
        deployed={name: value for name, value in stated.items() if value is not None},
        figures=_figures(run),
        notes=run.notes,
    )


def _figures(run: Run) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for metric in ("ttft", "itl", "e2e"):
        spread = getattr(run, metric)
        for statistic in ("mean", "p50", "p90", "p99"):
            value = at({"v": getattr(spread, f"{statistic}_s")}, "v")
            found[f"{metric}_ms_{statistic}"] = None if value is None else value * 1e3
    itl = run.itl.mean_s
    return found | {
        "output_tokens_per_s": run.output_tokens_per_s,
        "tokens_per_s_per_user": 1.0 / itl if itl else None,
        "request_rate_per_s": run.requests_per_s,
        "concurrency": run.concurrency,
        "goodput_per_s": run.goodput_per_s,
    }
