"""What a pick by prediction keeps of the best measured throughput under six SLAs, and what would keep more.

python experiments/accuracy/kept.py      # `make reports`; writes reports/accuracy/kept.md
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sla_choice import REPORTS, Question, asked_of, chosen, joined, within

from simkit.io.yamlio import write_text_atomic
from simkit.search.picking import SURE_SHARE

OUT = REPORTS / "kept.md"
SLAS = ((2000.0, 20.0), (2000.0, 30.0), (5000.0, 50.0), (1000.0, 15.0), (500.0, 25.0), (1000.0, 40.0))
CASE = ["model", "gpu", "backend", "precision", "mode", "isl_tokens", "osl_tokens"]
GROUP = CASE[:5]
FEWEST = 4
SHARES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
DRAWS = 400
Pick = Callable[[Question], int | None]


def questions(frame: pd.DataFrame) -> tuple[list[Question], pd.DataFrame]:
    """Every case and SLA that some but not all of its runs hold; and what each is about, a row each."""
    asked, about = [], []
    for key, case in frame.groupby(CASE):
        for bounds_ms in SLAS if len(case) >= FEWEST else ():
            holds = within(case, "", bounds_ms)
            if holds.any() and not holds.all():
                asked.append(asked_of(case, bounds_ms, holds))
                about.append(dict(zip(CASE, key, strict=True)))
    return asked, pd.DataFrame(about)


def kept(asked: Sequence[Question], pick: Pick) -> np.ndarray:
    """Measured throughput of each pick over that of the best run that holds; 0 where it breaks or refuses."""
    found = []
    for question in asked:
        choice = pick(question)
        good = choice is not None and bool(question.holds[choice])
        best = float(question.measured[question.holds].max())
        found.append(float(question.measured[choice]) / best if good else 0.0)
    return np.array(found)


def spread(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Where the mean lies with 90 %: groups drawn again, with their questions."""
    rng = np.random.default_rng(11)
    names, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    means = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(names), len(names))
        means.append(sums[drawn].sum() / counts[drawn].sum())
    low, high = np.quantile(means, [0.05, 0.95])
    return float(low), float(high)


def by_share(share: float) -> Pick:
    """The search's rule with another share."""
    return lambda question: chosen(question, share)


def by_average(question: Question) -> int | None:
    """The highest predicted throughput times probability: what is kept on average."""
    return int(np.argmax(question.predicted * question.probability))


def knowing(frame: pd.DataFrame, *metrics: str) -> list[Question]:
    """The same questions, some latencies predicted as they were measured."""
    known = frame.copy()
    for metric in metrics:
        known[f"predicted_{metric}_ms_mean"] = known[f"{metric}_ms_mean"]
        known[f"{metric}_log_sd"] = 1e-3
    return questions(known)[0]


def line(label: str, asked: list[Question], about: pd.DataFrame, pick: Pick) -> str:
    """One row: kept with its spread, broken, refused."""
    values = kept(asked, pick)
    low, high = spread(values, about[GROUP].astype(str).agg("|".join, axis=1).to_numpy())
    picks = [pick(question) for question in asked]
    broken = np.mean([c is not None and not q.holds[c] for q, c in zip(asked, picks, strict=True)])
    refused = np.mean([choice is None for choice in picks])
    return f"| {label} | {values.mean():.3f} ({low:.2f} to {high:.2f}) | {broken:.1%} | {refused:.1%} |"


def page(frame: pd.DataFrame) -> str:
    """The report."""
    asked, about = questions(frame)
    head = "| | kept (90 %) | broken | refused |\n|---|---:|---:|---:|\n"
    rules = [
        line(f"share {share:g}{' (shipped)' if share == SURE_SHARE else ''}", asked, about, by_share(share))
        for share in SHARES
    ] + [line("throughput times probability, of all runs", asked, about, by_average)]
    known = [
        line(label, knowing(frame, *metrics), about, by_share(SURE_SHARE))
        for label, metrics in (("TTFT as measured", ["ttft"]), ("ITL as measured", ["itl"]))
    ]
    values = about.assign(kept=kept(asked, by_share(SURE_SHARE)))
    worst = values.groupby(["model", "backend"])["kept"].agg(["mean", "size"])
    worst = worst.assign(lost=(1.0 - worst["mean"]) * worst["size"]).sort_values("lost", ascending=False)
    total = worst["lost"].sum()
    lost = "\n".join(
        f"| {model} | {engine} | {row['mean']:.2f} | {row['size']:.0f} | {row['lost'] / total:.0%} |"
        for (model, engine), row in worst.head(8).iterrows()
    )
    slas = ", ".join(f"{ttft:.0f}/{itl:.0f}" for ttft, itl in SLAS)
    return f"""<!-- Regenerate with: make reports -->

# What a pick by prediction keeps

{len(asked)} questions: cases (model, GPU, engine, format, mode, prompt and output length) of at least
{FEWEST} measured runs under each of six SLAs (TTFT/ITL in ms: {slas}) that some
but not all of them hold. Predictions have not seen the run's group. *Kept*: measured tokens/s per GPU of the
pick over the best run that holds, 0 where the pick breaks a bound or none is expected to hold; the mean over
questions, and where it lies with 90 % when groups are drawn again.

The rule: of the runs expected to hold, those at least *share* times as likely to as the likeliest; of these
the one with the highest predicted throughput.

{head}{chr(10).join(rules)}

Shares of 0.6 to 0.8 cannot be told apart in what they keep; the higher ones break fewer bounds. What better
predictions would bring, with the shipped rule:

{head}{chr(10).join(known)}

Where it is lost, most first:

| model | engine | kept | questions | share of the loss |
|---|---|---:|---:|---:|
{lost}
"""


def main() -> None:
    """Write the report."""
    write_text_atomic(OUT, page(joined()))
    print(OUT.name)


if __name__ == "__main__":
    main()
