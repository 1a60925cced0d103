"""What the project's data holds by GPU, engine and kind of model: measured runs and operator tables."""

import csv
import math
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import islice

from simkit.catalog.models import load_model
from simkit.catalog.operators import fitted_gpus, operator_models
from simkit.catalog.runs import MEASURED, read_table
from simkit.core.errors import InputError
from simkit.engines.engine_model import NearestRun
from simkit.io.paths import data_dir
from simkit.search.coverage import Evidence

RUNS = "runs/serving_runs_fit.csv"
_ALIKE = 1e-4  # runs are stored with residuals in single precision


@lru_cache(maxsize=1)
def evidence() -> Evidence:
    """Counts of the shipped runs and the families of the shipped operator models."""
    return Evidence(runs=_runs(), tables=_tables())


def _runs() -> dict[tuple[str, str, str], int]:
    path = data_dir() / RUNS
    if not path.is_file():
        return {}
    frame = read_table(path).dropna(subset=list(MEASURED))
    counts: Counter[tuple[str, str, str]] = Counter()
    for (model, gpu, backend), rows in frame.groupby(["model", "gpu", "backend"]):
        kind = _kind(str(model))
        if kind:
            counts[(str(gpu), str(backend), kind)] += len(rows)
    return dict(counts)


def _kind(model: str) -> str:
    """The kind of model; empty for one that the catalogue cannot describe."""
    try:
        return load_model(model).shape.architecture_class
    except InputError:
        return ""


def _tables() -> dict[tuple[str, str], frozenset[str]]:
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for gpu in fitted_gpus():
        for key in operator_models(gpu):
            found[(gpu, key.engine)].add(key.family)
    return {place: frozenset(families) for place, families in found.items()}


def row_of_run(found: NearestRun) -> dict[str, str] | None:
    """The run's row in the shipped table; None where the calibration was made of other runs."""
    path = data_dir() / RUNS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        row = next(islice(csv.DictReader(file), found.index, None), None)
    same = row is not None and all(
        math.isclose(float(row[f"{name}_ms_mean"] or 0.0), 1e3 * value, rel_tol=_ALIKE)
        for name, value in (("ttft", found.ttft_s), ("itl", found.itl_s))
    )
    return row if same else None
