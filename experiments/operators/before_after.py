"""What are measured operator tables worth in predictions of serving runs, with and without fitted factors?

    python experiments/operators/before_after.py      # `make reports`; writes reports/accuracy/operators.md

roofline_factors.json beside this file holds the factors that were fitted per engine when operators were
shares of peak (the state before operator tables).
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.efficiency import Efficiency
from simkit.core.engine_model import EngineModel
from simkit.io.paths import data_dir
from simkit.io.runs import read_table
from simkit.io.yamlio import write_text_atomic
from simkit.verbs.tables import with_predictions

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "reports" / "accuracy" / "operators.md"
# What did not exist then costs nothing: launches outside graphs, experts side by side.
NOTHING_NEW = {"eager_call_s": 0.0, "overlap_frac": 0.0}
TITLES = (
    "shares of peak, nothing fitted", "shares of peak, fitted (before)",
    "operator tables, nothing fitted", "operator tables, fitted (shipped)",
)  # fmt: skip
TEXT = """\
Median absolute error of TTFT / ITL over the {rows} measured runs (in-sample where fitted). *Before* is the
state without operator tables: rooflines with {factors} fitted factors per engine. *Nothing fitted* takes one
set of round factors for every engine. All four share the closed-form loop, the memory model and the reading
of formats."""


def variants() -> list[pd.DataFrame]:
    """The runs with predictions in the four ways of TITLES."""
    runs = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    fitted = json.loads((HERE / "roofline_factors.json").read_text(encoding="utf-8"))["engines"]

    def plain(model: EngineModel) -> EngineModel:
        return replace(model, learned=None, efficiency=Efficiency(**NOTHING_NEW))

    def before(model: EngineModel) -> EngineModel:
        factors = Efficiency(**fitted[model.engine.backend], **NOTHING_NEW)
        return replace(model, learned=None, efficiency=factors)

    def tables(model: EngineModel) -> EngineModel:
        return replace(model, efficiency=Efficiency())

    return [with_predictions(runs, adjust=adjust) for adjust in (plain, before, tables, None)]


def errors(frame: pd.DataFrame) -> str:
    """Median TTFT and ITL errors as people read them."""
    shown = []
    for metric in ("ttft", "itl"):
        ratio = frame[f"predicted_{metric}_ms_mean"] / frame[f"{metric}_ms_mean"]
        shown.append(f"{np.abs(ratio - 1.0).median():.1%}")
    return " / ".join(shown)


def section(name: str, column: str | None, frames: list[pd.DataFrame]) -> str:
    """One table: a line for every value of `column`, or one for all runs."""
    heads = [name, "n", *TITLES]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    values = sorted(frames[0][column].unique()) if column else [None]
    for value in values:
        parts = [frame if value is None else frame[frame[column] == value] for frame in frames]
        lines.append([str(value or "all"), f"{len(parts[0]):,}", *map(errors, parts)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Write the comparison."""
    frames = variants()
    factors = len(json.loads((HERE / "roofline_factors.json").read_text(encoding="utf-8"))["engines"]["vllm"])
    columns = {"": None, "Engine": "backend", "GPU": "gpu", "Model": "model", "Mode": "mode"}
    parts = [
        "<!-- Regenerate with: python experiments/operators/before_after.py -->",
        "# What operator tables are worth",
        TEXT.format(rows=f"{len(frames[0]):,}", factors=factors),
        *(section(name, column, frames) for name, column in columns.items()),
    ]
    write_text_atomic(OUT, "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
