"""`simkit doctor`: why measured differs from predicted, by one prediction under each possible cause."""

from dataclasses import dataclass, replace

from simkit.compare.comparison import Comparison, compare, measured_means, predicted_of
from simkit.compare.diagnosis import Cause, ranked
from simkit.core.deployment import Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Estimate
from simkit.core.measured import Run
from simkit.core.request import Request
from simkit.core.workload import Workload
from simkit.measure.hypotheses import hypotheses, means_of
from simkit.verbs.estimate import estimate_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The comparison, and causes by how much of the difference they explain."""

    comparison: Comparison
    causes: tuple[Cause, ...]
    run: Run
    estimate: Estimate


def doctor(request: Request, deployment: Deployment, run: Run) -> Diagnosis:
    """Compare a run with the prediction for its own load, and rank what may lie behind the difference."""
    workload = workload_of_run(run)
    problem, result = estimate_problem(replace(request, workload=workload), deployment)
    estimate = result.candidate.estimate
    measured = {name: value for name, value in measured_means(run).items() if name in ("ttft", "itl")}
    if not measured:
        raise InputError(f"{run.source.path}: neither TTFT nor ITL measured; benchmark with streaming")
    causes = hypotheses(problem, deployment, run, means_of(estimate))
    return Diagnosis(
        comparison=compare(predicted_of(estimate, workload), run),
        causes=ranked(means_of(estimate), measured, causes),
        run=run,
        estimate=estimate,
    )


def workload_of_run(run: Run) -> Workload:
    """The load that was measured, as a prediction takes it. Raises InputError where the file does not say."""
    if run.concurrency is None and run.request_rate_per_s is None:
        raise InputError(f"{run.source.path}: says neither concurrency nor request rate; give AIPerf's JSON")
    return Workload(
        isl_tokens=run.isl_tokens,
        osl_tokens=run.osl_tokens,
        concurrency=run.concurrency,
        request_rate_per_s=None if run.concurrency else run.request_rate_per_s,
        requests_per_slot=run.requests_per_slot if run.concurrency else None,
        length_spread=run.length_spread,
    )
