"""`simkit fit --operators`: measured operator tables in, one artifact of fitted models per GPU out."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from perfmodels.op_fit.operator import MIN_ROWS, Filler, Timings, fit_link_model, fit_operator
from perfmodels.op_fit.siblings import judged
from perfmodels.op_times.families import FAMILIES
from perfmodels.op_times.family import OperatorModel, OpFamily, OpKey
from perfmodels.op_times.learned import SHARED, version_key
from perfmodels.op_times.link import LinkModel
from simkit.catalog.gpus import gpu as load_gpu
from simkit.catalog.operator_tables import TABLES, table_rows
from simkit.catalog.operators import (
    doubted_tables,
    fitted_gpus,
    judged_records,
    operator_models,
    write_judged,
    write_operators,
)
from simkit.io.beside import side_by_side

SOURCE = "aiconfigurator-core 0.12.0 (PyPI), systems/data"
_ENOUGH_ROWS = 200  # of a version that replaces a fuller table
_CHANGED = 1.15  # ratio of medians beyond which a kernel counts as another one
LINK_OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The measured rows one model is fitted on."""

    key: OpKey
    version: str
    rows: pd.DataFrame

    @property
    def family(self) -> OpFamily:
        """The family that says what its sizes mean."""
        return FAMILIES[self.key.family]


def cells_of(name: str, rows: pd.DataFrame) -> Iterator[Cell]:
    """Rows of one family by GPU, engine and variant, of one engine version each; too few are left out."""
    for (gpu, engine, variant), place in rows.groupby(["gpu", "engine", "variant"]):
        version = version_to_fit(place, FAMILIES[name])
        part = place[place["version"] == version].reset_index(drop=True)
        if len(part) >= MIN_ROWS:
            key = OpKey(family=name, gpu=str(gpu), engine=str(engine), variant=str(variant))
            yield Cell(key=key, version=version, rows=part)


def version_to_fit(place: pd.DataFrame, family: OpFamily) -> str:
    """The newest version with at least half as many rows as the fullest.

    A newer one with fewer rows is taken instead if its times differ on the sizes both have: the kernel
    has changed. Where they agree, the fuller table knows more.
    """
    counts = place["version"].value_counts()
    ordered = sorted(counts.index, key=version_key, reverse=True)
    full = next(version for version in ordered if counts[version] >= counts.max() / 2)
    newer = [version for version in ordered[: ordered.index(full)] if counts[version] >= _ENOUGH_ROWS]
    if newer and _has_changed(place, (full, newer[0]), family):
        return str(newer[0])
    return str(full)


def _has_changed(place: pd.DataFrame, versions: tuple[str, str], family: OpFamily) -> bool:
    older, newer = (place[place["version"] == version] for version in versions)
    both = older.merge(newer, on=list(family.dims))
    ratio = float((both["time_s_y"] / both["time_s_x"]).median()) if len(both) >= _ENOUGH_ROWS / 2 else 1.0
    return abs(math.log(ratio)) > math.log(_CHANGED)


def fit_cell(cell: Cell, filler: Filler | None = None) -> OperatorModel | None:
    """The model of one cell; None where it is better left to the filler."""
    return fit_operator(cell.rows, cell.family, cell.key, load_gpu(cell.key.gpu), filler)


def fit_family(name: str, rows: pd.DataFrame) -> list[OperatorModel]:
    """Models of all cells; those with launch-bound rows are fitted again with a stand-in for them."""
    from joblib import delayed

    cells = list(cells_of(name, rows))
    parallel = side_by_side(os.cpu_count() or 1)
    first: list[OperatorModel] = parallel(delayed(fit_cell)(cell) for cell in cells)
    again = [(i, filler) for i, model in enumerate(first) if (filler := _filler(model, first))]
    refitted = parallel(delayed(fit_cell)(cells[i], filler) for i, filler in again)
    models: list[OperatorModel | None] = list(first)
    for (i, _), model in zip(again, refitted, strict=True):
        models[i] = model
    return [model for model in models if model is not None]


def _filler(model: OperatorModel, models: list[OperatorModel]) -> Filler | None:
    """Another engine's model of the same operator whose least time is at most half of this one's."""
    floor = float(model.grid.log_time.min())
    if floor < math.log(FAMILIES[model.key.family].host_floor_s):
        return None
    twins = [
        other
        for other in models
        if (other.key.gpu, other.key.variant) == (model.key.gpu, model.key.variant)
        and other.key.engine != model.key.engine
        and float(other.grid.log_time.min()) < floor - math.log(2.0)
    ]
    if not twins:
        return None
    best = min(twins, key=lambda other: float(other.grid.log_time.min()))
    return Filler(model=best, label=f"{best.key.engine} {best.version}")


def fit_links(root: Path) -> dict[str, dict[str, LinkModel]]:
    """Link models of the libraries' collectives by GPU and operation, from groups inside the domain."""
    found: dict[str, dict[str, LinkModel]] = {}
    for operation in LINK_OPERATIONS:
        rows = table_rows(root, operation)
        for cell in cells_of(operation, rows[rows["engine"].isin(SHARED)]):
            device, part = load_gpu(cell.key.gpu), cell.rows
            part = part[part["group"] <= device.link_domain_gpus]
            if cell.key.variant == "bf16" and len(part) >= MIN_ROWS:
                sizes = {
                    name: part[name].to_numpy(dtype=float) for name in ("message_bytes", "group", "time_s")
                }
                model = fit_link_model(operation, Timings(**sizes), device.intra_node)
                found.setdefault(cell.key.gpu, {})[operation] = model
    return found


def fit_operators(root: Path, out: Path, families: list[str], say: Callable[[str], object]) -> int:
    """Fit `families` (all where empty) on the tables below `root`, write artifacts to `out`; their number.

    Models far from their siblings are rejected or held to them (perfmodels.op_fit.siblings), those of tables
    in DOUBTED are rejected; all are named in JUDGED. Families that are not fitted again keep the models and
    records they have in `out`.
    Raises InputError where the tables cannot be read.
    """
    by_gpu = _kept(out, set(families)) if families else {}
    doubted = doubted_tables(out)
    records = [row for row in judged_records(out) if families and row["family"] not in families]
    count = 0
    for name in families or list(TABLES):
        fitted = fit_family(name, table_rows(root, name))
        against = {model.key for model in fitted for table in doubted if table.covers(model.key)}
        models, verdicts = judged(fitted, cache(load_gpu), against)
        rejected = len(fitted) - len(models)
        say(f"{name}: {len(models)} models from {sum(m.rows for m in models):,} rows, {rejected} rejected")
        records += [verdict.record for verdict in verdicts]
        for model in models:
            by_gpu.setdefault(model.key.gpu, []).append(model)
        count += len(models)
    origin = {"source": SOURCE, "licence": "Apache-2.0", "families": list(TABLES)}
    write_operators(out, {gpu: _ordered(models) for gpu, models in by_gpu.items()}, fit_links(root), origin)
    write_judged(out, records)
    return count


def _kept(out: Path, fitted_again: set[str]) -> dict[str, list[OperatorModel]]:
    kept: dict[str, list[OperatorModel]] = {}
    for gpu in fitted_gpus(out):
        models = operator_models(gpu, out).values()
        kept[gpu] = [model for model in models if model.key.family not in fitted_again]
    return kept


def _ordered(models: list[OperatorModel]) -> list[OperatorModel]:
    """By family, engine and variant: the order does not depend on what was fitted when."""
    return sorted(models, key=lambda model: (model.key.family, model.key.engine, model.key.variant))
