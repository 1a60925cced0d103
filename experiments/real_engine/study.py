"""Step times fitted on some of the recorded loads, the others predicted: what report and test share."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from real_engine.cases import CASES, Case, engine

from simkit.calibrate.step_times import LoopQuestion, closed_form, fit_steps, fitted_steps, predicted_loop
from simkit.closed_form.linear_steps import LinearSteps, linear_loop
from simkit.core.measured import Run
from simkit.core.workload import Lengths
from simkit.formats.benchmark_results.stored import run_of

RUNS = Path(__file__).resolve().parents[2] / "data" / "runs" / "real_engine"
METRICS = ("itl", "throughput", "ttft")
FITTERS = ("closed form", "simulation")


@dataclass(frozen=True)
class Record:
    """One measured pass."""

    case: Case
    seed: int
    load_average: float
    run: Run
    document: dict


def records() -> list[Record]:
    """Every pass that is kept."""
    by_name = {case.name: case for case in CASES}
    found = []
    for path in sorted(RUNS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found.append(
            Record(
                case=by_name[document["case"]],
                seed=document["seed"],
                load_average=float(np.mean(document["load_average"])),
                run=run_of(document["run"], path),
                document=document,
            )
        )
    return found


def measured(run: Run) -> dict[str, float]:
    """Means of one pass [s], tokens per second."""
    return {"itl": run.itl.mean_s, "throughput": run.output_tokens_per_s, "ttft": run.ttft.mean_s}


def by_case(found: Sequence[Record]) -> dict[Case, list[Record]]:
    """Passes of each case, in the order of the cases."""
    groups = defaultdict(list)
    for record in found:
        groups[record.case].append(record)
    return {case: groups[case] for case in CASES if case in groups}


def fit(found: Sequence[Record], by: str) -> LinearSteps:
    """Step times from the passes that may be seen."""
    runs = [record.run for record in found if record.case.fitted]
    return fitted_steps(runs, engine()) if by == "simulation" else fit_steps(runs, closed_form(engine()))


def predicted(steps: LinearSteps, run: Run, by: str) -> dict[str, float]:
    """The same means as `measured`, predicted for the load of a pass."""
    if by == "simulation":
        means = predicted_loop(steps, engine(), LoopQuestion.of(run))
        return {"itl": means.itl_s, "throughput": means.output_tokens_per_s, "ttft": means.ttft_s}
    lengths = Lengths(isl_tokens=np.array([run.isl_tokens]), osl_tokens=np.array([run.osl_tokens]))
    slots = run.num_requests / run.concurrency
    loop = linear_loop(steps, engine(), (lengths, np.array([run.concurrency])), slots)
    return {
        "itl": float(loop.itl_s[0, 0]),
        "throughput": float(loop.requests_per_s[0, 0]) * run.osl_tokens,
        "ttft": float(loop.ttft_s[0, 0]),
    }


def errors(found: Sequence[Record], by: str) -> dict[Case, dict[str, np.ndarray]]:
    """predicted/measured - 1 of every pass, by case and metric."""
    steps = fit(found, by)
    table = {}
    for case, passes in by_case(found).items():
        said = predicted(steps, passes[0].run, by)
        table[case] = {
            name: said[name] / np.array([measured(record.run)[name] for record in passes]) - 1.0
            for name in METRICS
        }
    return table
