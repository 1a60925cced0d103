"""How far off are the shipped operator models, on shapes and on GPUs they have not seen?

    python experiments/operators/report.py <systems/data of aiconfigurator-core 0.12.0> [family ...]

Writes reports/operators/: scores.csv (one line per model), transfer.csv (each GPU as if it had no
tables), README.md (medians by family, GPU and format beside interpolation), worst.png and worst.csv.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from perfmodels.op_times.family import OperatorModel
from simkit.calibrate.fit_operators import Cell, cells_of
from simkit.catalog.operator_tables import TABLES, table_rows
from simkit.io.yamlio import write_text_atomic

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from operators.page import write_operator_report  # noqa: E402
from operators.scores import (  # noqa: E402
    interpolated,
    score_line,
    shipped_model,
    transfer_errors,
    worst_points,
)

OUT = ROOT / "reports" / "operators"
DEEP = 60  # models of a family that are compared with interpolation and with relatives


def studied(cell: Cell, model: OperatorModel) -> tuple[dict[str, float], list[Any], dict[str, Any]]:
    """Errors of interpolation, worst points and transfer error of one model."""
    error = np.abs(transfer_errors(cell))
    transfer = {
        "family": cell.key.family, "gpu": cell.key.gpu, "engine": cell.key.engine,
        "variant": cell.key.variant, "rows": error.size,
        "median": float(np.median(error)) if error.size else float("nan"),
        "p90": float(np.quantile(error, 0.9)) if error.size else float("nan"),
    }  # fmt: skip
    return interpolated(cell, model), list(worst_points(cell, model)), transfer


def family_results(root: Path, name: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Lines, transfer errors and worst points of one family; evenly chosen models are studied deeper."""
    pairs = [
        (cell, model) for cell in cells_of(name, table_rows(root, name)) if (model := shipped_model(cell))
    ]
    lines = [score_line(model) for _, model in pairs]
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(DEEP, len(pairs))).astype(int))
    found = Parallel(n_jobs=os.cpu_count())(delayed(studied)(*pairs[i]) for i in chosen)
    worst, transfer = [], []
    for i, (table, points, lent) in zip(chosen, found, strict=True):
        lines[i].update(table)
        worst.extend(points)
        transfer.append(lent)
    return lines, transfer, worst


def main(root: Path, families: list[str]) -> None:
    """Score every shipped model; the report grows family by family."""
    scores, transfer, worst = [], [], []
    for name in families or list(TABLES):
        lines, lent, points = family_results(root, name)
        scores += lines
        transfer += lent
        worst += points
        tables = (pd.DataFrame(scores), pd.DataFrame(transfer), pd.DataFrame(worst))
        write_operator_report(OUT, tables, write_text_atomic)
        sys.stdout.write(f"{name}: {len(lines)} models scored\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
