"""Fitted operator models on disk, and which of them answer for a GPU: its own, then its relatives'."""

import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from perfmodels.hardware import Device
from perfmodels.op_times.family import OperatorModel, OpKey
from perfmodels.op_times.grid import GridAxis, GridModel
from perfmodels.op_times.learned import LearnedTimes
from perfmodels.op_times.link import Algorithm, LinkModel
from simkit.catalog.gpus import gpu as load_gpu
from simkit.core.errors import InputError
from simkit.engines.registry import engine_spec
from simkit.io.frames import read_arrays
from simkit.io.paths import data_dir
from simkit.io.reading import DAMAGE, Bounds, parse_json, read_json_object
from simkit.io.yamlio import write_bytes_atomic, write_text_atomic

# --- Fitted operator models on disk: data/operators/<gpu>.npz, and MANIFEST.json with hashes and origin.
# An .npz holds `index` (JSON: one record per model, and the link models) and `values` (all grids one
# after the other: log seconds in steps of 1/1500, which is 0.07 %).


FOLDER = "operators"
MANIFEST = "MANIFEST.json"
JUDGED = "REJECTED.json"  # models left out or held to their siblings, and how far off they were
DOUBTED = "DOUBTED.json"  # tables that measured runs contradict (experiments/operators/against_runs.py)
_OWN = Bounds(most=50_000_000, remedy="run simkit fit --operators", strict=False)
_STEPS = 1500.0  # per natural log unit: int16 reaches 3e9 seconds both ways
_PLAIN = ("version", "rows", "launch_bound_rows", "cached_rows", "filled_from", "held_knots")
_SCORES = ("held_out_mdape", "held_out_p90")


def fitted_gpus(folder: Path | None = None) -> list[str]:
    """GPUs that have fitted operator models."""
    where = folder or data_dir() / FOLDER
    return sorted(path.stem for path in where.glob("*.npz"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModels:
    """What is fitted for one GPU: operator models by what they are for, link models by operation."""

    operators: dict[OpKey, OperatorModel]
    links: dict[str, LinkModel]


def operator_models(gpu: str, folder: Path | None = None) -> dict[OpKey, OperatorModel]:
    """Operator models of one GPU; empty where none were fitted."""
    return gpu_models(gpu, folder).operators


def link_models(gpu: str, folder: Path | None = None) -> dict[str, LinkModel]:
    """Link models of one GPU by operation; empty where none were fitted."""
    return gpu_models(gpu, folder).links


@cache
def gpu_models(gpu: str, folder: Path | None = None) -> GpuModels:
    """Everything fitted for one GPU.

    Raises InputError where the file cannot be read as one of ours.
    """
    path = (folder or data_dir() / FOLDER) / f"{gpu}.npz"
    if not path.exists():
        return GpuModels(operators={}, links={})
    stored = read_arrays(path, _OWN.remedy)
    try:
        index = parse_json(stored["index"].tobytes().decode(), str(path), _OWN)
        operators = {model.key: model for model in _stored_models(gpu, index, stored["values"])}
        links = {name: _link(name, rows) for name, rows in index["links"].items()}
    except DAMAGE as fault:
        raise InputError(f"{path}: not an operator artifact ({fault}); {_OWN.remedy}") from fault
    return GpuModels(operators=operators, links=links)


def _stored_models(gpu: str, index: Mapping[str, Any], values: Any) -> Iterator[OperatorModel]:
    start = 0
    for record in index["models"]:
        axes = _axes(record["axes"], index["axes"])
        size = math.prod(len(axis.knots) for axis in axes)
        yield _model(gpu, record, (axes, values[start : start + size]))
        start += size


def _link(operation: str, rows: list[dict[str, Any]]) -> LinkModel:
    return LinkModel(operation=operation, algorithms=tuple(Algorithm(**row) for row in rows))


def _axes(positions: list[int], known: list[dict[str, Any]]) -> tuple[GridAxis, ...]:
    items = [known[position] for position in positions]
    return tuple(GridAxis(**{**item, "knots": tuple(item["knots"])}) for item in items)


def _model(gpu: str, record: dict[str, Any], grid: tuple[tuple[GridAxis, ...], Any]) -> OperatorModel:
    axes, stored = grid
    values = stored.reshape([len(axis.knots) for axis in axes]).astype(np.float32) / np.float32(_STEPS)
    key = OpKey(gpu=gpu, **{name: record[name] for name in ("family", "engine", "variant")})
    rest = {name: record[name] for name in record if name not in ("family", "engine", "variant", "axes")}
    scores = {name: float("nan") if rest[name] is None else rest[name] for name in _SCORES}
    return OperatorModel(key=key, grid=GridModel(axes=axes, log_time=values), **{**rest, **scores})


def artifact_bytes(models: Iterable[OperatorModel], links: Mapping[str, LinkModel]) -> bytes:
    """The .npz of one GPU's models, in the order given; the same models give the same bytes."""
    rows = list(models)
    axes: list[dict[str, Any]] = []
    records = [_record(model, axes) for model in rows]
    ways = {name: [asdict(way) for way in links[name].algorithms] for name in sorted(links)}
    index = {"axes": axes, "models": records, "links": ways}
    steps = [np.rint(model.grid.log_time.ravel() * _STEPS).astype(np.int16) for model in rows]
    text = json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, index=np.frombuffer(text, dtype=np.uint8), values=np.concatenate(steps))
    return buffer.getvalue()


def _record(model: OperatorModel, axes: list[dict[str, Any]]) -> dict[str, Any]:
    """One model's entry; axes it shares with others are stored once and named by position."""
    positions = []
    for axis in model.grid.axes:
        item = asdict(axis)
        if item not in axes:
            axes.append(item)
        positions.append(axes.index(item))
    record: dict[str, Any] = {name: getattr(model.key, name) for name in ("family", "engine", "variant")}
    record |= {name: getattr(model, name) for name in _PLAIN}
    for name in _SCORES:
        value = getattr(model, name)
        record[name] = None if math.isnan(value) else float(f"{value:.4g}")
    return record | {"axes": positions}


def write_operators(
    folder: Path,
    by_gpu: Mapping[str, list[OperatorModel]],
    links: Mapping[str, Mapping[str, LinkModel]],
    origin: Mapping[str, Any],
) -> None:
    """One artifact per GPU, then the manifest that names their hashes and what they were fitted on."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for gpu, models in sorted(by_gpu.items()):
        content = artifact_bytes(models, links.get(gpu, {}))
        write_bytes_atomic(folder / f"{gpu}.npz", content)
        files[f"{gpu}.npz"] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "models": len(models),
            "rows": sum(model.rows for model in models),
        }
    text = json.dumps({"origin": origin, "files": files}, indent=1, sort_keys=True) + "\n"
    write_text_atomic(folder / MANIFEST, text)
    gpu_models.cache_clear()


def judged_records(folder: Path) -> list[dict[str, Any]]:
    """What was found of models too far from their siblings; empty where `folder` has no record."""
    path = folder / JUDGED
    return list(read_json_object(path, _OWN)["models"]) if path.exists() else []


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedTable:
    """A table that runs contradict: so many, median error of log ITL with it and with its relatives."""

    family: str
    engine: str
    number_format: str
    gpus: tuple[str, ...]
    runs: int
    error: float
    error_with_relatives: float

    def covers(self, key: OpKey) -> bool:
        """Whether a model was fitted on this table."""
        same = (key.family, key.engine) == (self.family, self.engine) and key.gpu in self.gpus
        return same and key.variant.split("/")[0].split(":")[0] == self.number_format


def doubted_tables(folder: Path) -> tuple[DoubtedTable, ...]:
    """Tables that take no part in fitting; none where `folder` has no record."""
    path = folder / DOUBTED
    rows = read_json_object(path, _OWN)["tables"] if path.exists() else []
    return tuple(DoubtedTable(**{**row, "gpus": tuple(row["gpus"])}) for row in rows)


def write_doubted(folder: Path, tables: Iterable[DoubtedTable]) -> None:
    """One table a line."""
    lines = ",\n".join(f"  {json.dumps(asdict(table), sort_keys=True)}" for table in tables)
    write_text_atomic(folder / DOUBTED, f'{{"tables": [\n{lines}\n]}}\n')


def write_judged(folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """The rejected models first, then those held to their siblings, one a line."""
    names = ("family", "variant", "gpu", "engine")
    rows = sorted(records, key=lambda row: (row["verdict"] != "rejected", *(row[name] for name in names)))
    lines = ",\n".join(f"  {json.dumps(row, sort_keys=True)}" for row in rows)
    write_text_atomic(folder / JUDGED, f'{{"models": [\n{lines}\n]}}\n')


_OTHER_VENDOR, _OTHER_GENERATION = 4.0, 1.0


_known: dict[tuple[str, str], LearnedTimes] = {}


def learned_times(device: Device, engine: str) -> LearnedTimes:
    """Operator times of `engine` on `device`, from the shipped models; what was picked is remembered."""
    lender = engine_spec(engine).fitted_as
    found = _known.get((device.name, engine))
    if found is None or found.device != device:
        found = LearnedTimes(
            device=device,
            engine=lender,
            borrowed=lender != engine,
            gpus=relatives(device),
            catalogue=operator_models,
            links=link_models,
        )
        _known[device.name, engine] = found
    return found


def relatives(device: Device) -> tuple[Device, ...]:
    """GPUs with fitted models, the most alike first; the device itself, as given, leads where it has any."""
    others = sorted(_fitted(), key=lambda other: (device_distance(device, other), other.name))
    return tuple(device if other.name == device.name else other for other in others)


@cache
def _fitted() -> tuple[Device, ...]:
    return tuple(load_gpu(name) for name in fitted_gpus())


def device_distance(first: Device, second: Device) -> float:
    """How unlike two GPUs are: vendor and generation, then machine balance, then bandwidth."""
    if first.name == second.name:
        return -1.0
    balance = [device.peak("bf16") / device.memory_bytes_per_s for device in (first, second)]
    speed = [device.memory_bytes_per_s for device in (first, second)]
    return (
        (_OTHER_VENDOR if first.vendor != second.vendor else 0.0)
        + (_OTHER_GENERATION if first.generation != second.generation else 0.0)
        + abs(math.log2(balance[0] / balance[1]))
        + 0.25 * abs(math.log2(speed[0] / speed[1]))
    )
