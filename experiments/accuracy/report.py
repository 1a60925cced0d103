"""How far off are the shipped predictions on the measured runs, and where?

python experiments/accuracy/report.py      # `make reports`; writes reports/accuracy/
"""

from dataclasses import replace
from pathlib import Path

from perfmodels.efficiency import Efficiency
from simkit.core.engine_model import EngineModel
from simkit.io.calibration import ERRORS, artifact
from simkit.io.paths import data_dir
from simkit.io.predictions import Adjust
from simkit.io.runs import read_table
from simkit.io.yamlio import write_text_atomic
from simkit.reports.accuracy import concurrency_bins, write_accuracy_report
from simkit.verbs.tables import evaluation, with_predictions

PARTITIONS = {
    "Engine": "backend",
    "GPU": "gpu",
    "Model": "model",
    "Mode": "mode",
    "Protocol": "protocol",
    "Requests in flight": "concurrency_bin",
}
OUT = Path(__file__).resolve().parents[2] / "reports" / "accuracy"


def left_out_notes() -> list[str]:
    """What the artifact says about errors on groups that were left out of its fit."""
    metrics = artifact(ERRORS)["metrics"]
    return [
        f"{name.upper()}, groups of runs left out of the fit: median {entry['left_out_mdape']:.1%}, 90th "
        f"percentile {entry['left_out_p90']:.1%}; 90 % intervals held {entry['left_out_coverage90']:.1%}."
        for name, entry in metrics.items()
        if "left_out_mdape" in entry
    ]


FITTED = (
    "Predictions come from operator models learned from measured tables (data/operators/) with a dozen "
    "plain factors per engine (data/calibration/factors.json) fitted on these same runs; no model, GPU or "
    "row has a factor of its own. The tables are therefore in-sample; the next lines are not."
)
PLAIN = (
    "Nothing here is fitted on serving runs: operator models with one set of round host factors for every "
    "engine, GPU and model (the defaults of perfmodels/efficiency.py)."
)


def report(folder: Path, *, adjust: Adjust | None, notes: list[str]) -> None:
    """Predict every measured run and write one report."""
    runs = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    joined = with_predictions(runs, adjust=adjust)
    joined["concurrency_bin"] = concurrency_bins(joined["concurrency"])
    documents = {title: evaluation(joined, [column]) for title, column in PARTITIONS.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_accuracy_report(joined, documents, folder, write_text_atomic, notes)


def uncalibrated(model: EngineModel) -> EngineModel:
    """The engine with default factors."""
    return replace(model, efficiency=Efficiency())


def main() -> None:
    """Write reports/accuracy (as shipped) and reports/accuracy/uncalibrated."""
    beside = "The same without any fitted factor: [uncalibrated](uncalibrated/README.md)."
    parts = "What tables and factors are worth, one by one: [operators](operators.md)."
    report(OUT, adjust=None, notes=[FITTED, *left_out_notes(), beside, parts])
    report(OUT / "uncalibrated", adjust=uncalibrated, notes=[PLAIN])


if __name__ == "__main__":
    main()
