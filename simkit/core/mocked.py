"""What a deployment does when its engines are mocked: the same step times without what the mocker lacks.

Dynamo's mocker has no host times of its own, and it takes all waiting prompts into one step, so that
requests of equal length stay in step with each other for ever.
"""

from dataclasses import replace

from simkit.core.metrics import Candidate
from simkit.core.problem import Problem
from simkit.core.single import estimate_deployment
from simkit.core.workload import Workload


def as_mocked(problem: Problem) -> Problem:
    """The problem with every engine as the mocker plays it."""
    engines = tuple(
        replace(
            model,
            efficiency=replace(
                model.efficiency,
                request_host_s=0.0,
                request_token_s=0.0,
                request_serial_s=0.0,
                in_step_frac=1.0,
            ),
        )
        for model in problem.engines
    )
    return replace(problem, engines=engines)


def mocked(problem: Problem, candidate: Candidate, workload: Workload) -> Candidate:
    """The candidate's estimate under a workload, its engines mocked."""
    asked = replace(problem, request=replace(problem.request, workload=workload))
    return estimate_deployment(as_mocked(asked), candidate.deployment).candidate
