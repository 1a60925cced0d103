"""Flags of `simulate` that say what is sent: counts, arrivals, lengths, shared prefixes, traces."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.cli.flags.groups import plain_flag, with_flags
from simkit.core.errors import InputError

if TYPE_CHECKING:
    from simkit.core.workload import Workload
    from simkit.verbs.loads import LoadOptions

_PANEL = "Load"
_ARRIVALS = ("poisson", "gamma", "constant")
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("trace", Path, "--trace", "Trace to replay: Mooncake JSONL, Azure CSV or BurstGPT CSV; .gz is fine."),
    ("trace_format", str, "--trace-format", "auto, mooncake, azure or burstgpt."),
    ("speedup", float, "--speedup", "Send the trace this many times as fast; 0.5 is half as fast."),
    ("trace_start", float, "--trace-start", "Begin this many seconds into the trace."),
    ("trace_end", float, "--trace-end", "End this many seconds into the trace."),
    ("trace_block_tokens", int, "--trace-block-tokens", "Tokens that a Mooncake hash id stands for."),
    ("rate", float, "--rate", "Requests per second, short for --request-rate."),
    ("arrivals", str, "--arrivals", "At a rate: poisson, gamma or constant."),
    ("burstiness", float, "--burstiness", "Shape of gamma gaps: 1 is Poisson, below it bursts."),
    ("arrival_cv", float, "--arrival-cv", "Coefficient of variation of gaps, instead of --burstiness."),
    ("protocol", str, "--protocol", "Benchmark procedure: inferencex or nvidia_internal."),
    ("requests", int, "--requests", "Requests that count, the warm-up not among them."),
    (
        "requests_per_slot",
        float,
        "--requests-per-slot",
        "Requests that each slot sends, instead of --requests.",
    ),
    ("warmup", int, "--warmup", "Requests sent first and not counted."),
    ("seamless", bool, "--seamless-warmup", "Do not wait for the warm-up's answers."),
    ("length_spread", float, "--length-spread", "Uniform lengths from 1 - SPREAD to 1 of --isl and --osl."),
    ("length_cv", float, "--length-cv", "Lognormal lengths around --isl and --osl with this variation."),
    ("shared_prefix", int, "--shared-prefix", "Tokens at the start of all prompts that are the same in all."),
    ("prefix_tokens", int, "--prefix-tokens", "Further tokens that each prompt shares with some others."),
    ("num_prefixes", int, "--num-prefixes", "Different texts of --prefix-tokens."),
)

with_load_flags = with_flags(
    "load", [plain_flag(_PANEL, name, kind, (option, text)) for name, kind, option, text in _OPTIONS]
)


def with_rate(flags: Mapping[str, Any], load: Mapping[str, Any]) -> dict[str, Any]:
    """The request flags with --rate taken for --request-rate."""
    if load["rate"] is None:
        return dict(flags)
    if flags.get("request_rate") is not None:
        raise InputError("--rate and --request-rate are the same flag; drop one of them")
    return {**flags, "request_rate": load["rate"]}


def with_procedure(workload: "Workload", load: Mapping[str, Any]) -> "Workload":
    """The workload driven as --protocol, --requests-per-slot and --length-spread say."""
    from dataclasses import replace

    import numpy as np

    from simkit.catalog.runs import PROTOCOLS
    from simkit.core.errors import unknown_name

    if load["requests"] is not None and load["requests_per_slot"] is not None:
        raise InputError("--requests and --requests-per-slot both say how many; drop one of them")
    name = load["protocol"]
    if name is not None and name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, f"expected one of {', '.join(PROTOCOLS)}")
    procedure = PROTOCOLS[name or "steady"]
    slots, spread = load["requests_per_slot"], load["length_spread"]
    slots = procedure.requests_per_slot if slots is None else slots
    return replace(
        workload,
        requests_per_slot=None if slots is None else float(slots),
        length_spread=float(np.asarray(procedure.length_spread if spread is None else spread)),
    )


def load_options(load: Mapping[str, Any]) -> "LoadOptions":
    """What the load flags say, checked against each other."""
    from simkit.formats.traces.read import TraceOptions
    from simkit.verbs.loads import LoadOptions

    _refuse_stray(load)
    trace = TraceOptions(
        form=load["trace_format"] or "auto",
        start_s=load["trace_start"] or 0.0,
        end_s=load["trace_end"],
        speedup=1.0 if load["speedup"] is None else load["speedup"],
        block_tokens=512 if load["trace_block_tokens"] is None else load["trace_block_tokens"],
    )
    return LoadOptions(
        requests=load["requests"],
        warmup=load["warmup"] or 0,
        seamless=load["seamless"],
        burstiness=_burstiness(load),
        length_cv=load["length_cv"],
        prefixes=_prefixes(load),
        trace=load["trace"],
        trace_options=trace,
    )


_OF_A_TRACE = ("trace_format", "speedup", "trace_start", "trace_end", "trace_block_tokens")
_OF_DRAWN_LENGTHS = (
    "length_spread",
    "length_cv",
    "shared_prefix",
    "prefix_tokens",
    "num_prefixes",
    "protocol",
)


def _refuse_stray(load: Mapping[str, Any]) -> None:
    """A flag that would change nothing is a mistake."""
    traced = load["trace"] is not None
    for name in _OF_DRAWN_LENGTHS if traced else _OF_A_TRACE:
        if load[name] is not None:
            flag = next(option[2] for option in _OPTIONS if option[0] == name)
            why = "the trace has its own lengths" if traced else "there is no --trace"
            raise InputError(f"{flag}: {why}; drop it{'' if traced else ' or give one'}")


def _burstiness(load: Mapping[str, Any]) -> float | None:
    from simkit.core.errors import unknown_name
    from simkit.sim.load.arrivals import burstiness_of_cv

    shape, cv, kind = load["burstiness"], load["arrival_cv"], load["arrivals"]
    if kind is not None and kind not in _ARRIVALS:
        raise unknown_name("arrivals", kind, _ARRIVALS, f"expected one of {', '.join(_ARRIVALS)}")
    given = shape is not None or cv is not None
    if shape is not None and cv is not None:
        raise InputError("--burstiness and --arrival-cv say the same; drop one of them")
    if given and kind in ("poisson", "constant"):
        raise InputError(f"--arrivals {kind} has a variation of its own; drop --burstiness and --arrival-cv")
    if kind == "gamma" and not given:
        raise InputError("--arrivals gamma: give --burstiness or --arrival-cv")
    if kind == "constant":
        return None
    if cv is not None:
        return burstiness_of_cv(cv)
    return 1.0 if shape is None else float(shape)


def _prefixes(load: Mapping[str, Any]) -> Any:
    from simkit.sim.load.prefixes import SharedPrefixes

    if all(load[name] is None for name in ("shared_prefix", "prefix_tokens", "num_prefixes")):
        return None
    return SharedPrefixes(
        system_tokens=load["shared_prefix"] or 0,
        prefix_tokens=load["prefix_tokens"] or 0,
        num_prefixes=1 if load["num_prefixes"] is None else load["num_prefixes"],
    )
