"""Reading foreign JSON: numbers that may be absent, and errors that name file, field and remedy."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread

_MS = 1e-3


class Load(TypedDict):
    """How requests were offered: a closed loop of so many slots, or arrivals at a rate."""

    concurrency: float | None
    request_rate_per_s: float | None
    requests_per_slot: float | None


MAX_BYTES = 2_000_000_000


def load_json(path: Path) -> Any:
    """A JSON file as parsed. Raises InputError where it cannot be read or is no JSON."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES // 10**9} GB; give the summary file of the run")
        return json.loads(_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not valid JSON ({str(error).splitlines()[0]}); the run may have been cut off, repeat it"
        ) from error


def _text(path: Path) -> str:
    """What a file says; AIPerf's operator keeps its results compressed."""
    if path.suffix != ".zst":
        return path.read_text(encoding="utf-8")
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd") as stream:
        return bytes(stream.read()).decode("utf-8")


def sha256_of(path: Path) -> str:
    """The first 16 hex digits of the file's SHA-256: enough to tell files apart."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def number(value: Any) -> float | None:
    """A finite number, or None for what is absent, text, or not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def at(document: Any, *keys: str) -> Any:
    """What lies under nested keys; None where any of them is missing."""
    for key in keys:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def needed(document: Any, path: Path, *keys: str) -> float:
    """A number that a reader cannot do without."""
    value = number(at(document, *keys))
    if value is None:
        raise InputError(
            f"{path}: {'.'.join(keys)} is missing or no number; expected the result of a finished streaming "
            "benchmark, repeat the run to its end"
        )
    return value


def positive(value: Any) -> float | None:
    """A number above zero, else None."""
    found = number(value)
    return found if found is not None and found > 0 else None


def spread_ms(entry: Any, names: Mapping[str, str]) -> MeasuredSpread:
    """A Spread from a mapping of milliseconds; names gives the key of each statistic."""
    found = {stat: number(at(entry, *key.split("."))) for stat, key in names.items()}
    return MeasuredSpread(**{f"{stat}_s": None if v is None else v * _MS for stat, v in found.items()})


def without_means(latencies: Mapping[str, MeasuredSpread]) -> tuple[str, ...]:
    """What to tell of a result whose latencies have no means: they are what is compared and fitted."""
    lacking = [
        name for name, spread in latencies.items() if spread.mean_s is None and spread.p50_s is not None
    ]
    if not lacking:
        return ()
    names = ", ".join({"ttft": "TTFT", "itl": "ITL", "e2e": "end-to-end latency"}[name] for name in lacking)
    return (f"no mean of {names} in it, percentiles alone: nothing is compared or fitted by them",)


def json_lines(path: Path) -> list[Any] | None:
    """Every line of a file as JSON; None where a line that is not empty is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError):
        return None


def scaled(spread: MeasuredSpread, factor: float) -> MeasuredSpread:
    """Every statistic times a factor."""
    values = {name: getattr(spread, name) for name in MeasuredSpread.__slots__}
    return MeasuredSpread(
        **{name: None if value is None else value * factor for name, value in values.items()}
    )
