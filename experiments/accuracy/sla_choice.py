"""Predictions choosing among measured runs: how often the choice breaks the SLA, and what slack buys.

python experiments/accuracy/sla_choice.py      # `make reports`; writes reports/accuracy/sla_choice.md
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from simkit.io.paths import data_dir
from simkit.io.runs import read_table
from simkit.io.yamlio import write_text_atomic
from simkit.verbs.tables import with_predictions

TTFT_BOUNDS_MS = (300.0, 500.0, 1000.0, 2000.0, 5000.0)
ITL_BOUNDS_MS = (10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
SLACKS = ((0.0, 0.0), (0.1, 0.05), (0.2, 0.1), (0.3, 0.15), (0.4, 0.2))
CASE = ["model", "gpu", "isl_tokens", "osl_tokens"]
MIN_RUNS = 5
OUT = Path(__file__).resolve().parents[2] / "reports" / "accuracy" / "sla_choice.md"


def measured_throughput(runs: pd.DataFrame) -> pd.Series:
    """Output tokens/s per GPU of closed-loop runs, by Little's law from the measured means."""
    e2e_s = (runs["ttft_ms_mean"] + (runs["osl_tokens"] - 1) * runs["itl_ms_mean"]) / 1e3
    return runs["concurrency"] * runs["osl_tokens"] / e2e_s / runs["num_gpus"]


def questions(runs: pd.DataFrame) -> list[tuple[pd.DataFrame, float, float, float]]:
    """(runs, TTFT bound, ITL bound, best throughput in bounds), where the SLA divides the runs."""
    asked = []
    for _, case in runs.groupby(CASE):
        if len(case) < MIN_RUNS:
            continue
        for ttft_ms, itl_ms in product(TTFT_BOUNDS_MS, ITL_BOUNDS_MS):
            holds = (case["ttft_ms_mean"] <= ttft_ms) & (case["itl_ms_mean"] <= itl_ms)
            if holds.any() and not holds.all():
                asked.append((case, ttft_ms, itl_ms, float(case.loc[holds, "measured"].max())))
    return asked


def row(asked: list[tuple[pd.DataFrame, float, float, float]], slack: tuple[float, float]) -> str:
    """One line of the table: what choosing by predictions with this slack gives."""
    broken = unanswered = 0
    kept = []
    for case, ttft_ms, itl_ms, best in asked:
        fits = (case["predicted_ttft_ms_mean"] <= ttft_ms * (1 - slack[0])) & (
            case["predicted_itl_ms_mean"] <= itl_ms * (1 - slack[1])
        )
        if not fits.any():
            unanswered += 1
            continue
        chosen = case.loc[case.loc[fits, "predicted_output_tokens_per_s_per_gpu"].idxmax()]
        breaks = chosen["ttft_ms_mean"] > ttft_ms or chosen["itl_ms_mean"] > itl_ms
        broken += int(breaks)
        kept.append(0.0 if breaks else chosen["measured"] / best)
    share = np.sum(kept) / len(asked)
    return f"| {slack[0]:.0%} | {slack[1]:.0%} | {unanswered} | {broken / len(kept):.0%} | {share:.0%} |"


def main() -> None:
    """Write the table."""
    runs = with_predictions(read_table(data_dir() / "runs" / "serving_runs_fit.csv"))
    runs["measured"] = measured_throughput(runs)
    asked = questions(runs)
    text = f"""<!-- Regenerate with: make reports -->

# Choosing by prediction

{len(asked):,} questions from {len({id(case) for case, *_ in asked})} cases (model, GPU, prompt and output
length) of at least {MIN_RUNS} measured runs:
bounds of {TTFT_BOUNDS_MS[0]:.0f} to {TTFT_BOUNDS_MS[-1]:.0f} ms on TTFT and {ITL_BOUNDS_MS[0]:.0f} to
{ITL_BOUNDS_MS[-1]:.0f} ms on ITL that some but not all of the runs hold. Of the runs
predicted to hold the bounds, tightened by the slack, the one with the highest predicted throughput
per GPU is chosen. *Broken*: share of choices whose measurement misses the real bounds. *Kept*: measured
throughput of the choice over that of the best run within bounds, mean over all questions, 0 for a broken or
missing choice. Questions share runs, and the factors are fitted on these same runs: the table compares
slacks, it does not promise a rate.

| slack TTFT | slack ITL | no choice | broken | kept |
|---:|---:|---:|---:|---:|
"""
    write_text_atomic(OUT, text + "\n".join(row(asked, slack) for slack in SLACKS) + "\n")
    print(OUT.name)


if __name__ == "__main__":
    main()
