"""The question of a report: the request in words, and as the command that asks it again."""

import shlex
from collections.abc import Mapping
from typing import Any

from simkit.core.words import counted
from simkit.reports.labels import MODES, count, draft_label, engine_name, number, one_line, percent

Doc = Mapping[str, Any]

_STATISTICS = {"mean": "means"}
BOUNDS = {"ttft_ms": "TTFT", "itl_ms": "ITL", "e2e_ms": "end to end"}


def question(request: Doc) -> list[tuple[str, str]]:
    """Label and text of each part of a request document."""
    hardware, workload = request["hardware"], request["workload"]
    gpus = f"{hardware['total_gpus'] or 'any number of'} \u00d7 {hardware['gpu'] or 'any GPU'}"
    if hardware["gpus_per_node"]:
        gpus += f", {hardware['gpus_per_node']} per node"
    return [
        ("Model", request["model"]),
        ("Engine", "any (auto)" if request["backend"] == "auto" else engine_name(request["backend"])),
        ("Hardware", gpus),
        ("Modes", ", ".join(MODES.get(mode, mode) for mode in request["modes"])),
        ("Lengths", _lengths(workload)),
        ("Load", _load(workload)),
        _sla(request),
        *_own_runs(request),
    ]


def _own_runs(request: Doc) -> list[tuple[str, str]]:
    own = request.get("own_calibration")
    return [("Calibration", f"{counted(own['runs'], 'run of your own')}, {own['path']}")] if own else []


def _lengths(workload: Doc) -> str:
    text = f"{count(workload['isl_tokens'])} tokens in, {count(workload['osl_tokens'])} out"
    spread, hit = workload["length_spread"], workload.get("prefix_hit")
    if spread:
        text += f", uniform from {percent(1 - spread)} of these to 100%"
    return f"{text}; {percent(hit)} of prompt tokens cached" if hit else text


def _load(workload: Doc) -> str:
    if workload["concurrency"]:
        return f"{counted(workload['concurrency'], 'request in flight')} (closed loop)"
    if workload["request_rate_per_s"]:
        return f"{number(workload['request_rate_per_s'])} requests/s (open loop)"
    return "chosen by the search: as many requests in flight as the SLA allows"


def _sla(request: Doc) -> tuple[str, str]:
    """`SLA (means)` and the bounds; defaults of Dynamo are no SLA."""
    if request["sla_assumed"]:
        return "SLA", f"none; Dynamo's defaults lead the choice: {_bounds(request)}"
    on = set(request["sla_statistics"].values()) or {request["sla_statistic"]}
    if len(on) > 1:
        return "SLA", _bounds(request, request["sla_statistics"])
    (single,) = on
    return f"SLA ({_STATISTICS.get(single, single)})", _bounds(request)


def _bounds(request: Doc, on: Doc | None = None) -> str:
    """The bounds, each with its statistic where `on` has it."""
    found = [
        f"{' '.join(filter(None, (BOUNDS[key], (on or {}).get(key))))} \u2264 {number(bound)} ms"
        for key, bound in request["sla"].items()
        if bound is not None
    ]
    return ", ".join(found) or "none"


def _bound_flags(request: Doc) -> dict[str, str]:
    """The bounds that were asked for as flags: `1000`, or `p95:1000` where one has its own statistic."""
    if request["sla_assumed"]:
        return {}
    flags = {"ttft_ms": "--ttft", "itl_ms": "--itl", "e2e_ms": "--e2e-latency"}
    found = {}
    for key, bound in request["sla"].items():
        if bound is not None:
            on = request["sla_statistics"][key]
            found[flags[key]] = f"{bound}" if on == request["sla_statistic"] else f"{on}:{bound}"
    return found


def command_line(request: Doc, finalists: Doc | None = None) -> str:
    """The command that asks the same question again; finalists: how many candidates were to be simulated."""
    tuning, second = request["tuning"], finalists or {}
    hardware, workload = request["hardware"], request["workload"]
    modes = request["modes"]
    flags = {
        "--model": request["model"],
        "--backend": request["backend"],
        "--gpu": hardware["gpu"],
        "--total-gpus": "auto" if hardware.get("as_needed") else hardware["total_gpus"],
        "--gpus-per-node": hardware["gpus_per_node"],
        "--vram-mb": hardware["vram_mb"],
        "--isl": workload["isl_tokens"],
        "--osl": workload["osl_tokens"],
        "--concurrency": workload["concurrency"],
        "--request-rate": workload["request_rate_per_s"],
        **_bound_flags(request),
        "--sla-statistic": None if request["sla_statistic"] == "mean" else request["sla_statistic"],
        "--gpu-hour-price": request.get("gpu_hour_price"),
        "--mode": modes[0] if len(modes) == 1 else None,
        "--objective": request["optimization"],
        "--max-num-seqs": tuning["max_num_seqs"],
        "--max-num-batched-tokens": tuning["max_num_batched_tokens"],
        "--kv-dtype": None if tuning["kv_dtype"] == "auto" else tuning["kv_dtype"],
        "--speculative": draft_label(tuning["draft"]) or None,
        "--select": request["select"],
        "--simulate-finalists": second.get("asked"),
        "--seed": second.get("seed"),
        "--calibration": (request.get("own_calibration") or {}).get("path"),
        "--search-strategy": None if request["search_strategy"] == "rapid" else request["search_strategy"],
    }
    given = [part for flag, value in flags.items() if value is not None for part in (flag, str(value))]
    return one_line(shlex.join(["simkit", "recommend", *given, "-o", "DIR"]))
