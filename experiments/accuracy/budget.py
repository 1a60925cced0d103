"""Of what the errors of left-out predictions are made: constants of engines, GPUs, models, and the rest.

python experiments/accuracy/budget.py      # `make reports`; writes reports/accuracy/budget.md
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))

from intervals import REPORTS, SCHEMES, joined

from simkit.catalog.models import load_model
from simkit.closed_form.residuals import family_of
from simkit.io.yamlio import write_text_atomic

OUT = REPORTS / "budget.md"
CLUSTER = ["model", "gpu", "backend", "precision", "mode"]
KNOWN = {
    "as predicted": [],
    "engine": ["backend"],
    "model": ["model"],
    "GPU and engine": ["gpu", "backend"],
    "model, GPU, engine, format": CLUSTER,
    "and plan and lengths": [
        *CLUSTER, "tp", "attn_dp", "ep", "decode_tp", "decode_attn_dp", "isl_tokens", "osl_tokens",
    ],
}  # fmt: skip


def logs(frame: pd.DataFrame, metric: str) -> pd.Series:
    """log(measured / predicted)."""
    return np.log(frame[f"{metric}_ms_mean"] / frame[f"predicted_{metric}_ms_mean"])


def words(errors: pd.Series | np.ndarray) -> str:
    """Median and 90th percentile of |predicted/measured - 1|."""
    off = np.abs(np.exp(-np.asarray(errors)) - 1.0)
    return f"{np.median(off):.1%} / {np.quantile(off, 0.9):.0%}"


def without(frame: pd.DataFrame, errors: pd.Series, keys: list[str]) -> pd.Series:
    """Errors less the median of all that share the keys: as if that constant were known."""
    if not keys:
        return errors
    return errors - errors.groupby([frame[key].fillna(-1) for key in keys]).transform("median")


def from_others(frame: pd.DataFrame, errors: pd.Series, share: float) -> pd.Series:
    """Errors less `share` of the mean error of the other families on the same GPU and engine."""
    families = {name: family_of(load_model(name).shape) for name in frame["model"].unique()}
    table = pd.DataFrame({"family": frame["model"].map(families), "error": errors})
    table["place"] = frame["gpu"] + "|" + frame["backend"]
    medians = table.groupby(["place", "family"])["error"].median()
    shift = []
    for place, family in zip(table["place"], table["family"], strict=True):
        others = medians[place].drop(family)
        shift.append(float(others.sum()) / (len(others) + 1.0))
    return errors - share * np.array(shift)


def page() -> str:
    """The report."""
    text = """<!-- Regenerate with: make reports -->

# What the errors are made of

Median / 90th percentile of |predicted/measured - 1| of predictions that have not seen the deployment, family,
GPU or engine: as they are, and as they would be if the median error of everything that shares a name were
known beforehand. It never is; the table shows how much of an error is one constant of what.

"""
    for metric in ("ttft", "itl"):
        text += f"## {metric.upper()}\n\n| left out | " + " | ".join(KNOWN) + " |\n"
        text += "|---|" + "---:|" * len(KNOWN) + "\n"
        for scheme in SCHEMES:
            frame = joined(scheme)
            errors = logs(frame, metric)
            cells = [words(without(frame, errors, keys)) for keys in KNOWN.values()]
            name = "deployment" if scheme == "split_group" else scheme
            text += f"| {name} | " + " | ".join(cells) + " |\n"
        text += "\n"
    frame = joined("family")
    text += """A new model is off mostly by one constant for its GPU, engine and format: with it
known, half of the ITL error is gone. That constant cannot be had from other models: less a share of
the mean error of the other families on the same GPU and engine (each itself left out)
predictions of a family become

| share | TTFT | ITL |
|---:|---:|---:|
"""
    for share in (0.0, 0.3, 0.6, 1.0):
        cells = [words(from_others(frame, logs(frame, metric), share)) for metric in ("ttft", "itl")]
        text += f"| {share:g} | " + " | ".join(cells) + " |\n"
    text += "\nOne run of one's own gives it: [own_runs](../own_runs/README.md).\n"
    return text


def main() -> None:
    """Write the report."""
    write_text_atomic(OUT, page())
    print(OUT.name)


if __name__ == "__main__":
    main()
