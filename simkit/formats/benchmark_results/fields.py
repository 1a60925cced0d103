"""Reading foreign JSON: numbers that may be absent, and errors that name file, field and remedy."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread
from simkit.io.reading import MOST_RESULT, Bounds, decoded, parse_json, read_bytes, read_text

_MS = 1e-3


class Load(TypedDict):
    """How requests were offered: a closed loop of so many slots, or arrivals at a rate."""

    concurrency: float | None
    request_rate_per_s: float | None
    requests_per_slot: float | None


# What other tools wrote: some write Infinity for a rate that was not bounded.
RESULT = Bounds(most=MOST_RESULT, remedy="the run may have been cut off, repeat it", strict=False)


def load_json(path: Path) -> Any:
    """A result as parsed. Raises InputError where it cannot be read or is no JSON."""
    return parse_json(_text(path), str(path), RESULT)


def _text(path: Path) -> str:
    """What a file says; AIPerf's operator keeps its results compressed."""
    if path.suffix != ".zst":
        return read_text(path, RESULT)
    import pyarrow as pa

    try:
        with pa.input_stream(pa.py_buffer(read_bytes(path, RESULT)), compression="zstd") as stream:
            content = bytes(stream.read(RESULT.most + 1))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged compressed data ({error}); fetch the file again") from error
    if len(content) > RESULT.most:
        raise InputError(f"{path}: unpacks to more than {RESULT.most // 10**6} MB; give the run's summary")
    return decoded(content, str(path))


def sha256_of(path: Path) -> str:
    """The first 16 hex digits of the file's SHA-256: enough to tell files apart."""
    return hashlib.sha256(read_bytes(path, RESULT)).hexdigest()[:16]


def number(value: Any) -> float | None:
    """A finite number, or None for what is absent, text, or not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


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
        lines = read_text(path, RESULT).split("\n")
        return [parse_json(line, str(path), RESULT) for line in lines if line.strip()]
    except InputError:  # reading it as one document says what is wrong
        return None


def scaled(spread: MeasuredSpread, factor: float) -> MeasuredSpread:
    """Every statistic times a factor."""
    values = {name: getattr(spread, name) for name in MeasuredSpread.__slots__}
    return MeasuredSpread(
        **{name: None if value is None else value * factor for name, value in values.items()}
    )
