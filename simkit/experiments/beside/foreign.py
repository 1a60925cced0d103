"""Other people's points as rows of a dataset, each beside our prediction of the same deployment and load."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.catalog.gpus import gpu
from simkit.core.errors import InputError
from simkit.experiments.columns import METRICS, POINT, Kind, dataset_columns
from simkit.experiments.conditions import missing
from simkit.experiments.evaluate import evaluated
from simkit.experiments.points import lay_out
from simkit.formats.benchmark_results.sweeps import SweepPoint, read_sweep_points

if TYPE_CHECKING:
    import pandas as pd

_FORMATS = ("gemm_dtype", "moe_dtype")  # of the weights, where a file tells them apart
_NEEDED = ("model", "gpu", "backend", "isl_tokens", "osl_tokens")
_LAYOUT = ("plan", "tp", "attn_dp", "prefill_tp", "decode_tp")
_MOST_TOKENS = 1e9
_MOST_GPUS = 1_000_000
_WHOLE = ("num_gpus", "isl_tokens", "osl_tokens")


def foreign_columns() -> dict[str, Kind]:
    """Columns of a dataset that holds other people's points: measured, or predicted by them or by us."""
    measured: dict[str, Kind] = {f"measured_{name}": "number" for name in METRICS}
    predicted = dataset_columns("predict")
    at = list(predicted).index("predicted_ttft_ms_mean")
    items = list(predicted.items())
    return {**dict(items[:at]), **measured, **dict(items[at:]), "file": "text", "notes": "text"}


def foreign_points(paths: Sequence[Path], given: Mapping[str, Any]) -> "pd.DataFrame":
    """Every point twice: as its tool says it, and as we predict it; `source` tells them apart.

    given states, or replaces, what is deployed. Raises InputError where files and flags leave it open.
    """
    import pandas as pd

    found = [point for path in paths for point in read_sweep_points(path)]
    rows = [_row(point, given) for point in found]
    names = (*POINT, *_FORMATS)
    table = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
    table["error"] = ""
    _with_layouts(table)
    ours = evaluated("predict", table).assign(file=None, notes=None)
    said: dict[str, Any] = {
        **_figures(found, table["num_gpus"]),
        "source": [point.tool for point in found],
        "file": [point.file for point in found],
        "notes": ["; ".join(point.notes) or None for point in found],
        "error": [""] * len(found),
    }
    theirs = pd.concat([table[list(POINT)], pd.DataFrame(said)], axis=1)
    columns = list(foreign_columns())
    both = [frame.reindex(columns=columns).astype(object) for frame in (theirs, ours)]
    return pd.concat(both, ignore_index=True)


def _row(point: SweepPoint, given: Mapping[str, Any]) -> dict[str, Any]:
    stated = {**point.deployed, **given}
    if "plan" in given:  # the layout as a whole replaces what a file says of it
        stated = {name: value for name, value in stated.items() if not _is_layout(name) or name == "plan"}
    lacking = [name for name in _NEEDED if stated.get(name) is None]
    if not any(name in stated for name in _LAYOUT):
        lacking.append("plan")
    if lacking:
        flags = ", ".join(f"--{name.removesuffix('_tokens')}" for name in lacking)
        raise InputError(f"{point.file}: does not say {', '.join(lacking)}; add {flags}")
    if stated.get("concurrency") is None and stated.get("request_rate_per_s") is None:
        raise InputError(f"{point.file}: says neither a concurrency nor a rate; only steady loads compare")
    for name in (name for name in stated if _is_layout(name)):
        if not _is_size(stated[name]):
            raise InputError(f"{point.file}: {name} must be a whole number of GPUs, got {stated[name]!r:.60}")
    stated["gpu"] = _gpu_name(str(stated["gpu"]), point.file)
    counts = {name: stated[name] for name in _WHOLE if stated.get(name) is not None}
    stated |= {name: _whole(name, value, point.file) for name, value in counts.items()}
    return {**stated, "point": _hash(point.tool, stated)}


def _whole(name: str, value: Any, file: str) -> int:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < _MOST_TOKENS:
        raise InputError(f"{file}: {name} must be a number below {_MOST_TOKENS:g}, got {value!r:.60}")
    return round(float(value))


def _is_layout(name: str) -> bool:
    sizes = ("tp", "pp", "attn_dp", "moe_tp", "ep", "workers")
    return name == "num_gpus" or name.removeprefix("prefill_").removeprefix("decode_") in sizes


def _is_size(value: Any) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and 1 <= value <= _MOST_GPUS and value == int(value)


def _gpu_name(name: str, file: str) -> str:
    try:
        return gpu(name).name
    except InputError as error:
        raise InputError(f"{file}: {error}; or say what it is with --gpu") from error


def _hash(tool: str, stated: Mapping[str, Any]) -> str:
    words = ";".join(f"{name}={stated[name]}" for name in sorted(stated))
    return hashlib.blake2b(f"{tool};{words}".encode(), digest_size=8).hexdigest()


def _with_layouts(table: "pd.DataFrame") -> None:
    """Sizes and GPUs of every row: of aggregated ones from names or sizes, of others from their pools."""
    pools = ~missing(table["prefill_tp"].to_numpy())
    single = table[~pools].reset_index(drop=True)
    if len(single):
        lay_out(single)
        table.loc[~pools, single.columns] = single.to_numpy()
    if pools.any():
        used: Any = 0.0
        for role in ("prefill", "decode"):
            sizes = [
                table.loc[pools, f"{role}_{name}"].astype(float).fillna(1.0)
                for name in ("workers", "tp", "pp", "attn_dp")
            ]
            used = used + np.prod(sizes, axis=0)
        table.loc[pools, "mode"] = "disagg"
        table.loc[pools, "num_gpus"] = used.astype(int)


def _figures(found: Sequence[SweepPoint], gpus: "pd.Series[Any]") -> dict[str, np.ndarray]:
    """Figures under the prefix of who says them."""
    columns = {f"{prefix}{name}": np.full(len(found), np.nan) for prefix in _PREFIXES for name in METRICS}
    for row, point in enumerate(found):
        prefix = "predicted_" if point.predicted else "measured_"
        known = gpus.iloc[row]  # of a layout that cannot be, nothing; its row says why
        count = np.nan if known is None else float(known)
        figures = {"num_gpus": count, **point.figures}
        per_s = figures.get("output_tokens_per_s")
        if per_s is not None and figures.get("output_tokens_per_s_per_gpu") is None:
            figures["output_tokens_per_s_per_gpu"] = per_s / count
        for name, value in figures.items():
            columns[f"{prefix}{name}"][row] = np.nan if value is None else value
    return columns


_PREFIXES = ("measured_", "predicted_")
