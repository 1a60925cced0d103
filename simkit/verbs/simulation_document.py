"""A simulated run as a JSON document (AIPerf's summary, ours beside it) and as a folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.estimate import LATENCIES, Candidate, Latency
from simkit.explain.defaults import beside_defaults
from simkit.explain.procedures import SideBySide, which_to_believe
from simkit.formats.simulated import requests_parquet, timeline_csv
from simkit.formats.traces.read import Trace
from simkit.reports.aiperf_summary import aiperf_document
from simkit.reports.document import candidate_document, dumps
from simkit.reports.figures import png_bytes
from simkit.reports.simulation import simulation_markdown
from simkit.reports.timeline_figure import timeline_figure
from simkit.sim.results.summary import RunSummary
from simkit.verbs.answer_files.folder import write_folder
from simkit.verbs.recommend import versions
from simkit.verbs.simulate import SimulationResult

# --- A simulated run as a JSON document: AIPerf's summary, and under `simkit` what AIPerf has no name for.


_MS = 1e3
_LAYOUT = ("backend", "mode", "num_gpus", "replicas", "plan", "engine", "prefill", "decode")


def simulation_document(result: SimulationResult) -> dict[str, Any]:
    """The content of summary.json and of `simulate --format json`, in milliseconds, at full precision."""
    document = aiperf_document(result.run.summary, result.run.warmup)
    return document | {"simkit": _own(result)}


def _own(result: SimulationResult) -> dict[str, Any]:
    summary, candidate, samples = result.run.summary, result.closed_form["steady"], result.run.samples
    described = candidate_document(candidate)
    queue = summary.distributions["queue_s"]
    return {
        "versions": versions(),
        "model": result.request.model,
        "seed": result.options.seed,
        "router": result.options.router,
        "deployment": {name: described[name] for name in _LAYOUT if name in described},
        "load": _load(result),
        "output_tokens_per_s_per_gpu": summary.output_tokens_per_s / result.deployment.num_gpus,
        "in_flight_mean": summary.mean_in_flight,
        "queue_ms": {"mean": queue.mean * _MS, "p99": queue.percentiles[99] * _MS},
        "prefix_cache_hit_frac": summary.cached_tokens / summary.isl_tokens,
        "kv_used_frac_max": float(samples.used_frac.max()) if samples is not None else None,
        "preemptions": summary.preemptions,
        "percentile_relative_error": summary.percentile_error,
        "settled": _means(result.run.settled) if result.run.settled else None,
        "closed_form": {name: _closed_form(item) for name, item in result.closed_form.items()},
        "overloaded": result.load.trace is None and candidate.estimate.overloaded,
        "believe": which_to_believe(_side_by_side(result)),
        "sla": _sla(result),
        "notes": _notes(result),
    }


def _load(result: SimulationResult) -> dict[str, Any]:
    load, workload = result.load, result.load.workload
    found: dict[str, Any] = {
        "words": load.words,
        "requests": result.run.summary.requests,
        "refused": result.run.refused,
        "warmup": load.warmup,
        "concurrency": load.concurrency,
        "request_rate_per_s": workload.request_rate_per_s,
        "requests_per_slot": workload.requests_per_slot,
        "length_spread": workload.length_spread,
    }
    return found | ({"trace": _trace(load.trace)} if load.trace else {})


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "format": trace.form,
        "lines": trace.lines,
        "malformed": trace.malformed,
        "failed": trace.failed,
        "reordered": trace.reordered,
        "faults": [{"line": fault.line, "problem": fault.problem} for fault in trace.faults],
    }


def _means(summary: RunSummary) -> dict[str, float]:
    named = {f"{name}_ms": summary.distributions.get(f"{name}_s") for name in LATENCIES}
    return {name: item.mean * _MS for name, item in named.items() if item is not None}


def _closed_form(candidate: Candidate) -> dict[str, float]:
    estimate = candidate.estimate
    latencies: dict[str, Latency] = {name: getattr(estimate, name) for name in LATENCIES}
    return {f"{name}_ms": item.mean_s * _MS for name, item in latencies.items()} | {
        "request_rate_per_s": estimate.request_rate_per_s,
        "output_tokens_per_s_per_gpu": estimate.output_tokens_per_s_per_gpu,
    }


def _side_by_side(result: SimulationResult) -> SideBySide:
    forms, summary = result.closed_form, result.run.summary
    name = "benchmark" if "benchmark" in forms else "steady"
    estimate = forms[name].estimate
    unknown = {
        "preemptions": summary.preemptions > 0,
        "requests that come as a trace has them": result.load.trace is not None,
        "offered rates that cannot be sustained": estimate.overloaded,
    }
    gaps = [
        abs(math.log(found.mean / mean_s))
        for metric, mean_s in (("ttft_s", estimate.ttft.mean_s), ("itl_s", estimate.itl.mean_s))
        if (found := summary.distributions.get(metric)) is not None
        and found.mean > 0
        and 0 < mean_s < math.inf
    ]
    return SideBySide(
        unknown=tuple(words for words, applies in unknown.items() if applies),
        doubtful=estimate.doubtful,
        in_domain=estimate.in_domain,
        apart=math.exp(max(gaps, default=0.0)),
    )


def _sla(result: SimulationResult) -> dict[str, Any]:
    return {
        "statistic": result.options.statistic or result.request.slo.statistic,
        "statistics": {_in_ms(name): statistic for name, statistic in result.statistics.items()},
        "bounds": {_in_ms(name): bound * _MS for name, bound in result.request.slo.bounds.items()},
        "met": result.meets_sla,
        "missed": {_in_ms(name): value * _MS for name, value in result.missed.items()},
    }


def _in_ms(name: str) -> str:
    return f"{name.removesuffix('_s')}_ms"


def _notes(result: SimulationResult) -> list[str]:
    steady = result.closed_form["steady"].estimate
    refused = result.run.refused
    inexact = result.run.summary.percentile_error
    hits = result.run.summary.cached_tokens / max(result.run.summary.isl_tokens, 1)
    notes = {
        f"the closed form takes {hits:.0%} of prompt tokens as cached, what the simulation found": hits,
        f"percentiles are within {inexact:.1%} of exact ones; the requests were not kept": inexact,
        f"{refused:,} requests are longer than an engine takes and are left out": refused,
    }
    means = {name: item.mean for name, item in result.run.summary.distributions.items()}
    notes[beside_defaults(means, result.defaults)] = result.defaults.assumed
    return [*(note for note, applies in notes.items() if applies), *steady.notes, *_trace_notes(result)]


def _trace_notes(result: SimulationResult) -> list[str]:
    trace = result.load.trace
    if trace is None:
        return []
    notes = {
        f"{trace.malformed:,} of {trace.lines:,} lines of the trace are no request": trace.malformed,
        f"{trace.failed:,} requests failed when the trace was recorded and are left out": trace.failed,
        "the trace was not in order of time and was sorted": trace.reordered,
    }
    return [note for note, applies in notes.items() if applies]


# --- The folder of a simulated run.


def write_simulation(folder: Path, result: SimulationResult, document: Mapping[str, Any]) -> list[str]:
    """Write every file and return their names. Raises InputError when that is not possible."""
    run = result.run
    texts: dict[str, str | bytes] = {"summary.json": dumps(document, full_precision=True)}
    if run.times is not None:
        texts["requests.parquet"] = requests_parquet(run.times, result.load.warmup)
    texts["timeline.csv"] = timeline_csv(run.timeline, run.samples)
    texts["report.md"] = simulation_markdown(document)
    texts["timeline.png"] = png_bytes(timeline_figure(run.timeline, run.samples))
    write_folder(folder, texts)
    return list(texts)
