"""Prediction for mocked engines behind Dynamo's frontend: a simulation with the same step times.

Dynamo's mocker has no host time of its own, and none of the engine behaviour learned from measured runs. What
remains is the time that the frontend needs per request, one after the other.
"""

import math
from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.estimates import corrected
from simkit.closed_form.problem import Problem
from simkit.core.estimate import Candidate, Latency, holds
from simkit.core.slo import PERCENTILES
from simkit.core.workload import Workload
from simkit.verbs.loads import LoadOptions, offered_load
from simkit.verbs.simulate import SimulateOptions, request_times

# Frontend and mocker on one machine, engines that take no time: reports/loop_error/README.md.
STACK_REQUEST_S = 3e-3
STACK_SERIAL_S = 1e-3


def as_mocked(problem: Problem) -> Problem:
    """The problem with the stack's times instead of the engines' host times, without residuals of runs."""
    engines = tuple(
        replace(
            model,
            residuals=None,
            efficiency=replace(
                model.efficiency,
                request_host_s=STACK_REQUEST_S,
                request_token_s=0.0,
                request_serial_s=STACK_SERIAL_S,
            ),
        )
        for model in problem.engines
    )
    return replace(problem, engines=engines)


def mocked(problem: Problem, candidate: Candidate, workload: Workload) -> Candidate:
    """The candidate with latencies as simulated; intervals keep their width."""
    asked = as_mocked(replace(problem, request=replace(problem.request, workload=workload)))
    slots = workload.concurrency
    counted = round(slots * (workload.requests_per_slot or 1.0)) if slots else None
    options = SimulateOptions(load=LoadOptions(requests=counted, warmup=math.ceil(slots or 0.0)))
    load = offered_load(workload, options.load, options.seed)
    times = request_times(asked, candidate.deployment, load, options)
    ttft, itl = times.ttft_s[load.warmup :], times.itl_s[load.warmup :]
    e2e = times.finished_s[load.warmup :] - times.sent_s[load.warmup :]
    before, slo = candidate.estimate, problem.request.slo
    factors = {"ttft": _ratio(before.ttft, ttft), "itl": _ratio(before.itl, itl)}
    changed = corrected(before, slo, factors)
    changed = replace(
        changed,
        ttft=_simulated(changed.ttft, ttft),
        itl=_simulated(changed.itl, itl),
        e2e=_simulated(changed.e2e, e2e),
    )
    return replace(candidate, estimate=changed, meets_sla=holds(changed, slo))


def _ratio(before: Latency, values: FloatArray) -> float:
    """Simulated over estimated mean; one where a request has no such latency."""
    known = values[np.isfinite(values)]
    return float(np.mean(known)) / before.mean_s if len(known) and before.mean_s > 0 else 1.0


def _simulated(before: Latency, values: FloatArray) -> Latency:
    """Statistics of simulated requests, with the interval of the estimate moved along with the mean."""
    known = values[np.isfinite(values)]
    if not len(known):
        return before
    mean = float(np.mean(known))
    found = np.percentile(known, PERCENTILES)
    percentiles = {f"p{q}_s": float(value) for q, value in zip(PERCENTILES, found, strict=True)}
    scale = mean / before.mean_s if before.mean_s > 0 else 1.0
    return Latency(mean_s=mean, lo_s=before.lo_s * scale, hi_s=before.hi_s * scale, **percentiles)
