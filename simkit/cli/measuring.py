"""Flags of every verb that measures, and a clean end on SIGTERM and Ctrl-C."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simkit.cli.ending import stoppable
from simkit.cli.flags.groups import plain_flag, with_flags
from simkit.core.errors import InputError

MeterFlags = Mapping[str, Any]

_PANEL = "Measuring"
_OPTIONS: tuple[tuple[str, Any, Any, str, str], ...] = (
    ("client", str, "aiperf", "--client", "aiperf, or builtin: a small client in this process."),
    ("aiperf", str, None, "--aiperf", "AIPerf's program, where it is not found by itself."),
    ("tokenizer", str, None, "--tokenizer", "Hugging Face id or folder; builtin needs no network."),
    ("requests", int, None, "--requests", "Measured requests, instead of the workload's own count."),
    ("warmup", int, None, "--warmup", "Requests before those that count."),
    ("timeout", float, 3600.0, "--timeout", "Seconds after which one run of the client is given up."),
    ("attempts", int, 2, "--attempts", "How often a failing client is started."),
    ("stall", float, 120.0, "--stall", "Seconds without a byte before the builtin client gives up."),
    ("trace", str, None, "--trace", "Replay a file of requests (AIPerf)."),
    ("trace_kind", str, "mooncake-trace", "--trace-type", "Its format, in AIPerf's words."),
    ("telemetry", str, None, "--gpu-telemetry", "pynvml, or the URL of a DCGM exporter (AIPerf)."),
    (
        "key_file",
        Path,
        None,
        "--api-key-file",
        "File with the key that the server wants, else SIMKIT_API_KEY.",
    ),
    ("limits", list[str], None, "--max-error", "METRIC=FRACTION instead of the interval: itl=0.05."),
)

with_meter_flags = with_flags(
    "meter",
    [
        plain_flag(_PANEL, name, kind, (option, text), default)
        for name, kind, default, option, text in _OPTIONS
    ],
)


def meter_of(flags: MeterFlags, *, seed: int, own_tokenizer: bool = False) -> Any:
    """How to measure. own_tokenizer: the server is ours, so its tokenizer is too."""
    from simkit.formats.aiperf_command import BenchmarkOptions, TraceFile
    from simkit.measure.aiperf_run import OWN_TOKENIZER, Patience
    from simkit.measure.run import Meter

    if flags["trace"] and flags["client"] != "aiperf":
        raise InputError("--trace is replayed by AIPerf; use --client aiperf")
    options = BenchmarkOptions(
        request_count=flags["requests"],
        warmup_count=flags["warmup"],
        seed=seed,
        tokenizer=flags["tokenizer"] or (OWN_TOKENIZER if own_tokenizer else None),
        trace=TraceFile(path=flags["trace"], kind=flags["trace_kind"]) if flags["trace"] else None,
        gpu_telemetry=flags["telemetry"],
        ui="none",
    )
    patience = Patience(timeout_s=flags["timeout"], attempts=flags["attempts"])
    return Meter(
        client=flags["client"], aiperf=flags["aiperf"], options=options, patience=patience,
        stall_s=flags["stall"],
    )  # fmt: skip


def key_of(flags: MeterFlags) -> str | None:
    """The key that the server asks for, from a file or the environment, never from the command line."""
    from simkit.io.openai_http import api_key

    return api_key(flags["key_file"])


def limits_of(flags: MeterFlags) -> dict[str, float]:
    """Allowed errors by metric, as fractions: `itl=0.05`, or `itl=5%`."""
    return parse_limits(flags["limits"] or ())


def parse_limits(items: Sequence[str]) -> dict[str, float]:
    """Errors allowed, from METRIC=FRACTION words. Raises InputError."""
    found = {}
    for item in items:
        name, _, text = item.partition("=")
        try:
            value = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            value = -1.0
        if not 0 < value < 10:
            raise InputError(f"--max-error {item!r}: expected METRIC=FRACTION, such as itl=0.05 or itl=5%")
        found[name] = value
    return found


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run in a folder: stopped in an orderly way, and refused while another is at work there."""
    from simkit.io.locks import held

    with stoppable(), held(folder / ".lock", "wait for it, stop it, or give another -o"):
        yield
