"""Write reports/own_runs/README.md: what one to eight of one's own runs are worth.

.venv/bin/python experiments/own_runs/report.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from own_runs.study import any_of, chosen, clusters, left_out_predictions, score  # noqa: E402

from simkit.catalog.runs import read_table  # noqa: E402

COUNTS = (1, 2, 3, 5)
OUT = ROOT / "reports" / "own_runs" / "README.md"
SCHEMES = {
    "family": "A model nobody measured",
    "split_group": "A model measured elsewhere",
}
HEAD = """<!-- Regenerate with: python experiments/own_runs/report.py -->

# What a few runs of one's own are worth

{clusters} clusters of at least eight public runs each (one model, GPU, engine, format and mode; {runs} runs).
Some runs of a cluster calibrate the prediction of its others. Errors are |predicted/measured - 1| of the
held-out runs, median / 90th percentile over all of them. *Chosen* runs are those that `simkit next-runs` asks
for; *any* is every single run in turn, or five draws of several. *In band*: held-out runs inside the
calibrated 90 % interval, mean over clusters. *Unlucky*: by how much the median error of a cluster grew with
the worst 5 % of picks.

The predictions have seen nothing of the model's family (first part), or nothing of the same GPUs, engine and
format (second part). The calibration has seen no held-out run; the two standard deviations and the scale of
distance of its prior were chosen on these clusters.

"""
TABLE = "| runs | | without | with them | in band | unlucky |\n|---:|---|---:|---:|---:|---:|\n"


def main() -> None:
    """Score and write."""
    runs = read_table(ROOT / "data" / "runs" / "serving_runs_fit.csv")
    found = {scheme: clusters(left_out_predictions(runs, scheme)) for scheme in SCHEMES}
    first = found["family"]
    text = HEAD.format(clusters=len(first), runs=f"{sum(len(c.places.features) for c in first):,}")
    for scheme, title in SCHEMES.items():
        text += f"## {title}\n\n"
        scores = {(n, how.__name__): score(found[scheme], n, how) for n in COUNTS for how in (chosen, any_of)}
        for metric in ("ttft", "itl"):
            text += f"{metric.upper()}\n\n{TABLE}"
            for (count, how), each in scores.items():
                text += line(count, how.removesuffix("_of"), each[metric].line())
            text += "\n"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)


def line(count: int, how: str, values: tuple[float, ...]) -> str:
    """One row of the table."""
    before, before90, after, after90, inside, spoiled = values
    return (
        f"| {count} | {how} | {before:.1%} / {before90:.0%} | {after:.1%} / {after90:.0%} | {inside:.0%} "
        f"| {spoiled:+.1%} |\n"
    )


if __name__ == "__main__":
    main()
