"""Predictions choosing among measured runs: how often the choice breaks the SLA, and what certainty costs.

python benchmarks/accuracy.py --write reports/accuracy/left_out.csv      # first: the left-out predictions
python experiments/accuracy/sla_choice.py      # `make reports` does both; writes sla_choice.md beside it
"""

from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.arrays import FloatArray
from simkit.catalog.calibrations import error_models
from simkit.catalog.runs import read_table
from simkit.closed_form.estimates import log_spreads, sla_probability
from simkit.core.slo import Slo
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic
from simkit.search.picking import SURE_SHARE, robust_worth
from simkit.search.ties import NOISE_SDS

TTFT_BOUNDS_MS = (300.0, 500.0, 1000.0, 2000.0, 5000.0)
ITL_BOUNDS_MS = (10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
SHARES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
APART = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, np.inf)
ONE = (2000.0, 30.0)  # the bounds shown on their own
CASE = ["model", "gpu", "isl_tokens", "osl_tokens"]
MIN_RUNS = 5
REPORTS = Path(__file__).resolve().parents[2] / "reports" / "accuracy"
OUT = REPORTS / "sla_choice.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One case under one SLA; arrays [runs]. probability is that of holding it, expected whether means do."""

    bounds_ms: tuple[float, float]
    measured: FloatArray  # output tokens/s per GPU
    predicted: FloatArray
    holds: np.ndarray
    expected: np.ndarray
    probability: FloatArray


def joined() -> pd.DataFrame:
    """The measured runs with the predictions made without their groups."""
    left = pd.read_csv(REPORTS / "left_out.csv")
    left = left[left["left_out_by"] == "split_group"]
    runs = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    frame = runs.merge(left, on="run_id", validate="one_to_one")
    for name, prefix in (("measured", ""), ("predicted", "predicted_")):
        life_ms = frame[f"{prefix}ttft_ms_mean"] + (frame["osl_tokens"] - 1) * frame[f"{prefix}itl_ms_mean"]
        frame[f"{name}_e2e_s"] = life_ms / 1e3
        frame[name] = frame["concurrency"] * frame["osl_tokens"] / (life_ms / 1e3) / frame["num_gpus"]
    return frame


def questions(frame: pd.DataFrame) -> list[Question]:
    """Every case and SLA that some but not all of its runs hold."""
    asked = []
    for _, case in frame.groupby(CASE):
        if len(case) < MIN_RUNS:
            continue
        for bounds_ms in product(TTFT_BOUNDS_MS, ITL_BOUNDS_MS):
            holds = within(case, "", bounds_ms)
            if holds.any() and not holds.all():
                asked.append(asked_of(case, bounds_ms, holds))
    return asked


def within(case: pd.DataFrame, prefix: str, bounds_ms: tuple[float, float]) -> np.ndarray:
    """Which runs hold the bounds, as measured (no prefix) or predicted."""
    pairs = zip(("ttft", "itl"), bounds_ms, strict=True)
    return np.all([case[f"{prefix}{name}_ms_mean"] <= bound for name, bound in pairs], axis=0)


def asked_of(case: pd.DataFrame, bounds_ms: tuple[float, float], holds: np.ndarray) -> Question:
    """One case under one SLA, as the search would see it."""
    ttft, itl = (case[f"predicted_{name}_ms_mean"].to_numpy() / 1e3 for name in ("ttft", "itl"))
    means = (ttft, itl, case["predicted_e2e_s"].to_numpy())
    spreads = log_spreads(means, (case["ttft_log_sd"].to_numpy(), case["itl_log_sd"].to_numpy()))
    slo = Slo(ttft_s=bounds_ms[0] / 1e3, itl_s=bounds_ms[1] / 1e3)
    chance = sla_probability(means, slo, error_models(), spreads)
    return Question(
        bounds_ms=bounds_ms,
        measured=case["measured"].to_numpy(),
        predicted=case["predicted"].to_numpy(),
        holds=holds,
        expected=within(case, "predicted_", bounds_ms),
        probability=np.ones(len(case)) if chance is None else chance,
    )


def chosen(question: Question, share: float) -> int | None:
    """The run the search would choose; None where it expects none to hold and says so."""
    if not question.expected.any():
        return None
    worth = robust_worth(np.where(question.expected, question.probability, 0.0), question.predicted, share)
    return int(np.argmax(np.where(question.expected, worth, -1.0)))


def row(asked: list[Question], share: float) -> str:
    """One line of the table: broken, refused, regret, kept and promised."""
    broken = refused = 0
    regret, kept, promised = [], [], []
    for question in asked:
        choice = chosen(question, share)
        best = float(question.measured[question.holds].max())
        if choice is None:
            refused += 1
            regret.append(1.0)
            kept.append(0.0)
            continue
        gives, holds = float(question.measured[choice]) / best, bool(question.holds[choice])
        broken += not holds
        regret.append(max(1.0 - gives, 0.0))
        kept.append(gives if holds else 0.0)
        promised.append(float(question.probability[choice]))
    answered = len(asked) - refused
    cells = (broken / answered, refused / len(asked), np.mean(regret), np.mean(kept), np.mean(promised))
    label = f"{share:.2f}" + (
        " (shipped)" if share == SURE_SHARE else " (expected best)" if not share else ""
    )
    return f"| {label} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |"


def reliability(asked: list[Question]) -> str:
    """Promised against held, in tenths of the probability."""
    promised = np.concatenate([question.probability for question in asked])
    held = np.concatenate([question.holds for question in asked])
    tenth = np.minimum((promised * 10).astype(int), 9)
    rows = []
    for number in range(10):
        here = tenth == number
        cells = f"{np.count_nonzero(here):,} | {promised[here].mean():.0%} | {held[here].mean():.0%}"
        rows.append(f"| {number / 10:.1f} to {(number + 1) / 10:.1f} | {cells} |")
    return "\n".join(rows)


def order(frame: pd.DataFrame) -> str:
    """How often two runs of a case and load come in the order predicted, by how far apart they were."""
    names = ("predicted_ttft_ms_mean", "predicted_itl_ms_mean")
    means = tuple(frame[name].to_numpy() for name in names)
    spreads = (frame["ttft_log_sd"].to_numpy(), frame["itl_log_sd"].to_numpy())
    frame = frame.assign(sd=log_spreads((*means, frame["predicted_e2e_s"].to_numpy() * 1e3), spreads)[2])
    apart, right = [], []
    for _, alike in frame.groupby([*CASE, "concurrency"]):
        one, other = np.triu_indices(len(alike), 1)
        guess, truth = (np.log(alike[name].to_numpy()) for name in ("predicted", "measured"))
        sd = alike["sd"].to_numpy()
        apart.append(np.abs(guess[one] - guess[other]) / np.hypot(sd[one], sd[other]))
        right.append(np.sign(guess[one] - guess[other]) == np.sign(truth[one] - truth[other]))
    distance, hit = np.concatenate(apart), np.concatenate(right)
    rows = []
    for low, high in pairwise(APART):
        here = (distance >= low) & (distance < high)
        rows.append(f"| {low:g} to {high:g} | {np.count_nonzero(here):,} | {hit[here].mean():.0%} |")
    return "\n".join(rows)


def page(frame: pd.DataFrame, asked: list[Question]) -> str:
    """The report."""
    one = [question for question in asked if question.bounds_ms == ONE]
    heads = "| share | broken | refused | regret | kept | promised |\n|---|---:|---:|---:|---:|---:|\n"
    every, single = ("\n".join(row(group, share) for share in SHARES) for group in (asked, one))
    return f"""<!-- Regenerate with: make reports -->

# Choosing by prediction

{len(asked):,} questions: cases (model, GPU, prompt and output length) of at least {MIN_RUNS} measured
runs, under bounds of {TTFT_BOUNDS_MS[0]:.0f} to {TTFT_BOUNDS_MS[-1]:.0f} ms on TTFT and
{ITL_BOUNDS_MS[0]:.0f} to {ITL_BOUNDS_MS[-1]:.0f} ms on ITL that some but not all of the runs hold. Every
prediction is made without the run's group (model, GPU, engine, format, number of GPUs). The choice is the
search's own: of the runs expected to hold the bounds, and at least *share* times as likely to as the
likeliest, the one with the highest predicted throughput per GPU. Share 0 takes predictions at their word.

*Broken*: choices whose measurement misses a bound. *Refused*: questions where no run is expected to hold
the bounds, though one does. *Regret*: measured throughput below that of the best run within bounds, mean
over all questions; a refusal counts 100 %, a broken choice that is faster 0 %. *Kept*: the same throughput
the other way round, with broken and refused as 0. *Promised*: mean probability shown with the choice;
100 % less broken should equal it. Questions share runs, so they are far from independent.

{heads}{every}

TTFT at most {ONE[0]:.0f} ms and ITL at most {ONE[1]:.0f} ms alone, {len(one)} questions:

{heads}{single}

Aims: 6 % broken, 3 % refused, 4 % regret. What a share gains on one of them it loses on another.

How far the probability can be trusted, over all runs of all questions:

| promised | runs | mean | held |
|---|---:|---:|---:|
{reliability(asked)}

When is a difference noise? Pairs of runs of one case and load: how far apart the predicted throughputs
are, in standard deviations of their difference, and how often the measured ones come in that order.
Candidates less than {NOISE_SDS:g} apart are shown as ties.

| apart | pairs | in the order predicted |
|---|---:|---:|
{order(frame)}
"""


def main() -> None:
    """Write the report."""
    frame = joined()
    write_text_atomic(OUT, page(frame, questions(frame)))
    print(OUT.name)


if __name__ == "__main__":
    main()
