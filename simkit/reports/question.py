"""The question of a report: the request in words, and as the command that asks it again."""

import shlex
from collections.abc import Mapping
from typing import Any

from simkit.reports.labels import ENGINES, MODES, count, draft_label, number, one_line, percent

Doc = Mapping[str, Any]

_STATISTICS = {"mean": "means"}


def question(request: Doc) -> list[tuple[str, str]]:
    """Label and text of each part of a request document."""
    hardware, workload = request["hardware"], request["workload"]
    gpus = f"{hardware['total_gpus'] or 'any number of'} \u00d7 {hardware['gpu'] or 'any GPU'}"
    if hardware["gpus_per_node"]:
        gpus += f", {hardware['gpus_per_node']} per node"
    return [
        ("Model", request["model"]),
        ("Engine", ENGINES.get(request["backend"], "any (auto)")),
        ("Hardware", gpus),
        ("Modes", ", ".join(MODES.get(mode, mode) for mode in request["modes"])),
        ("Lengths", _lengths(workload)),
        ("Load", _load(workload)),
        (
            f"SLA ({_STATISTICS.get(request['sla_statistic'], request['sla_statistic'])})",
            _bounds(request["sla"]),
        ),
    ]


def _lengths(workload: Doc) -> str:
    text = f"{count(workload['isl_tokens'])} tokens in, {count(workload['osl_tokens'])} out"
    spread = workload["length_spread"]
    return f"{text}, uniform from {percent(1 - spread)} of these to 100%" if spread else text


def _load(workload: Doc) -> str:
    if workload["concurrency"]:
        return f"{number(workload['concurrency'])} requests in flight (closed loop)"
    if workload["request_rate_per_s"]:
        return f"{number(workload['request_rate_per_s'])} requests/s (open loop)"
    return "chosen by the search: as many requests in flight as the SLA allows"


def _bounds(sla: Doc) -> str:
    names = {"ttft_ms": "TTFT", "itl_ms": "ITL", "e2e_ms": "end to end"}
    found = [f"{names[key]} \u2264 {number(bound)} ms" for key, bound in sla.items() if bound is not None]
    return ", ".join(found) or "none"


def command_line(request: Doc, finalists: Doc | None = None) -> str:
    """The command that asks the same question again; finalists: how many candidates were to be simulated."""
    tuning, second = request["tuning"], finalists or {}
    hardware, workload, sla = request["hardware"], request["workload"], request["sla"]
    modes = request["modes"]
    flags = {
        "--model": request["model"],
        "--backend": request["backend"],
        "--gpu": hardware["gpu"],
        "--total-gpus": hardware["total_gpus"],
        "--gpus-per-node": hardware["gpus_per_node"],
        "--vram-mb": hardware["vram_mb"],
        "--isl": workload["isl_tokens"],
        "--osl": workload["osl_tokens"],
        "--concurrency": workload["concurrency"],
        "--request-rate": workload["request_rate_per_s"],
        "--ttft": sla["ttft_ms"],
        "--itl": sla["itl_ms"],
        "--e2e-latency": sla["e2e_ms"],
        "--sla-statistic": None if request["sla_statistic"] == "mean" else request["sla_statistic"],
        "--gpu-hour-price": request["gpu_hour_price"],
        "--mode": modes[0] if len(modes) == 1 else None,
        "--objective": request["optimization"],
        "--max-num-seqs": tuning["max_num_seqs"],
        "--max-num-batched-tokens": tuning["max_num_batched_tokens"],
        "--kv-dtype": None if tuning["kv_dtype"] == "auto" else tuning["kv_dtype"],
        "--speculative": draft_label(tuning["draft"]) or None,
        "--simulate-finalists": second.get("asked"),
        "--seed": second.get("seed"),
        "--search-strategy": None if request["search_strategy"] == "rapid" else request["search_strategy"],
    }
    given = [part for flag, value in flags.items() if value is not None for part in (flag, str(value))]
    return one_line(shlex.join(["simkit", "recommend", *given, "-o", "DIR"]))
