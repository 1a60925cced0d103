"""How far off are predictions on runs that took no part in fitting, where, and why?

python benchmarks/accuracy.py --write reports/accuracy/left_out.csv      # first: the left-out predictions
python experiments/accuracy/report.py      # `make reports` does both; writes reports/accuracy/
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from simkit.catalog.calibrations import ERRORS, artifact, error_models
from simkit.catalog.runs import read_table
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic
from simkit.verbs.evaluate import evaluation

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from accuracy.page import concurrency_bins, write_accuracy_report  # noqa: E402
from error_figures import figure_png, reliability_figure  # noqa: E402

OUT = ROOT / "reports" / "accuracy"
PARTITIONS = {
    "Engine": "backend",
    "GPU": "gpu",
    "Model": "model",
    "Mode": "mode",
    "Protocol": "protocol",
    "Requests in flight": "concurrency_bin",
}
NAMES = {
    "split_group": "its group (model, GPU, engine, format, GPU count)",
    "model": "every run of its model",
    "family": "every run of its model and of all with the same architecture and size",
    "gpu": "every run on its GPU",
    "engine": "every run of its engine",
}
FITTED = (
    "Every number below is of runs that took no part in fitting: a run's whole group (model, GPU, engine, "
    "format, number of GPUs) was left out, the engine's factors were fitted again, and its residuals kriged "
    "from the other groups. The amplitudes of the residuals were tuned on all runs. Repeat with "
    "python benchmarks/accuracy.py."
)
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def joined(scheme: str) -> pd.DataFrame:
    """The measured runs with the predictions made without them."""
    runs = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    left = pd.read_csv(OUT / "left_out.csv")
    left = left[left["left_out_by"] == scheme].drop(columns="left_out_by")
    frame = runs.merge(left, on="run_id", how="left", validate="one_to_one").assign(error="")
    life = frame["predicted_ttft_ms_mean"] + (frame["osl_tokens"] - 1) * frame["predicted_itl_ms_mean"]
    tokens = frame["concurrency"] * frame["osl_tokens"] / (life / 1e3)
    frame["predicted_output_tokens_per_s_per_gpu"] = tokens / frame["num_gpus"]
    frame["concurrency_bin"] = concurrency_bins(frame["concurrency"])
    return frame


def notes() -> list[str]:
    """What the artifact says about errors by what was left out."""
    found = [FITTED]
    for scheme, scores in artifact(ERRORS)["scores"].items():
        parts = [
            f"{name.upper()} {entry['mdape']:.1%} (p90 {entry['p90']:.0%}, intervals held "
            f"{artifact(ERRORS)['metrics'][name]['coverage90'][scheme]:.0%})"
            for name, entry in scores.items()
        ]
        found.append(f"Left out of the fit {NAMES[scheme]}: median error {', '.join(parts)}.")
    found.append(
        "What each part of the prediction is worth: ablation.md, beside this file; what is missed: misses.md."
    )
    found.append("Decisions by prediction: sla_choice.md, kept.md. How intervals hold: intervals.md.")
    found.append("What the errors are made of: budget.md, misses.md. Others' figures: peers.md.")
    found.append("How honest the intervals are: reliability.png.")
    return found


def reliability(schemes: tuple[str, ...]) -> dict[str, list[tuple[float, float]]]:
    """(promised, held) shares of intervals by what was left out and metric."""
    curves = {}
    for scheme in schemes:
        frame = joined(scheme)
        for metric in ("ttft", "itl"):
            names = (f"predicted_{metric}_ms_mean", f"{metric}_log_sd", f"{metric}_ms_mean")
            predicted, spread, measured = (frame[name].to_numpy() for name in names)
            points = []
            for level in LEVELS:
                low, high = error_models()[metric].interval(predicted, level, spread)
                points.append((level, float(np.mean((measured >= low) & (measured <= high)))))
            curves[f"{metric.upper()}, {scheme} left out"] = points
    return curves


def main() -> None:
    """Write reports/accuracy."""
    frame = joined("split_group")
    documents = {title: evaluation(frame, [column]) for title, column in PARTITIONS.items()}
    write_accuracy_report(frame, documents, OUT, write_text_atomic, notes())
    figure_png(reliability_figure(reliability(("split_group", "family", "gpu"))), OUT / "reliability.png")


if __name__ == "__main__":
    main()
