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

from simkit.io.optables.catalog import TABLES, table_rows
from simkit.io.yamlio import write_text_atomic
from simkit.reports.operators import write_operator_report
from simkit.verbs.fit_operators import Cell, cells_of
from simkit.verbs.score_operators import score_cell, shipped_model, transfer_errors, worst_points

OUT = Path(__file__).resolve().parents[2] / "reports" / "operators"


def scored(cell: Cell) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]] | None:
    """Score, worst points and transfer error of one cell; None where nothing is shipped for it."""
    model = shipped_model(cell)
    if model is None:
        return None
    error = np.abs(transfer_errors(cell))
    transfer = {
        "family": cell.key.family, "gpu": cell.key.gpu, "engine": cell.key.engine,
        "variant": cell.key.variant, "rows": error.size,
        "median": float(np.median(error)) if error.size else float("nan"),
        "p90": float(np.quantile(error, 0.9)) if error.size else float("nan"),
    }  # fmt: skip
    return score_cell(cell, model), list(worst_points(cell, model)), transfer


def main(root: Path, families: list[str]) -> None:
    """Score every shipped model, family by family."""
    scores, worst, transfer = [], [], []
    for name in families or list(TABLES):
        cells = list(cells_of(name, table_rows(root, name)))
        found = Parallel(n_jobs=os.cpu_count())(delayed(scored)(cell) for cell in cells)
        for score, points, lent in (item for item in found if item):
            scores.append(score)
            worst.extend(points)
            transfer.append(lent)
        sys.stdout.write(f"{name}: {len(cells)} models scored\n")
        sys.stdout.flush()
    tables = (pd.DataFrame(scores), pd.DataFrame(transfer), pd.DataFrame(worst))
    write_operator_report(OUT, tables, write_text_atomic)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
