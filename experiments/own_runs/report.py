"""Write reports/own_runs/README.md: what three to ten of one's own runs are worth.

.venv/bin/python experiments/own_runs/report.py
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from own_runs.study import at_random, chosen, left_out_predictions, score, sweeps  # noqa: E402

from simkit.catalog.runs import read_table  # noqa: E402

COUNTS = (3, 5, 8)
SEEDS = range(5)
OUT = ROOT / "reports" / "own_runs" / "README.md"

HEAD = """<!-- Regenerate with: python experiments/own_runs/report.py -->

# What a few runs of one's own are worth

{sweeps} sweeps of at least ten public runs each (one deployment, many loads and lengths; {runs} runs). Some
runs of a sweep calibrate the prediction of its others. Errors are |predicted/measured - 1| of the held-out
runs: the median of each sweep, then the median over sweeps. *Chosen* runs are those that `simkit next-runs`
asks for; *random* is the mean over {seeds} draws. *One factor* multiplies the shipped prediction by the mean
ratio of the same runs. *In band*: held-out runs inside the calibrated 90 % interval.

*Shipped* is what the toolkit says of a deployment it has never seen: its whole group was left out of all
fitting (reports/accuracy). The calibration has seen no held-out run; its prior (three standard deviations and
seven weights per metric) was chosen on these sweeps, with an earlier model's predictions.

"""
TABLE = "| runs | | shipped | one factor | calibrated | in band |\n|---:|---|---:|---:|---:|---:|\n"


def main() -> None:
    """Score and write."""
    joined = left_out_predictions(read_table(ROOT / "data" / "runs" / "serving_runs_fit.csv"))
    found = sweeps(joined)
    runs = sum(len(sweep.features) for sweep in found)
    text = HEAD.format(sweeps=len(found), runs=f"{runs:,}", seeds=len(SEEDS))
    for metric, title in (("ttft", "TTFT"), ("itl", "ITL")):
        text += f"## {title}\n\n{TABLE}"
        for count in COUNTS:
            text += line(count, "chosen", score(found, count, chosen)[metric].line())
            drawn = [score(found, count, at_random(seed))[metric].line() for seed in SEEDS]
            text += line(count, "random", tuple(np.mean(drawn, axis=0)))
        text += "\n"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)


def line(count: int, how: str, values: tuple[float, ...]) -> str:
    """One row of the table."""
    shipped, constant, after, inside = values
    return f"| {count} | {how} | {shipped:.1%} | {constant:.1%} | {after:.1%} | {inside:.0%} |\n"


if __name__ == "__main__":
    main()
