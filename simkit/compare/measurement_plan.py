"""What a thorough profile deploys: single engines for their curves, whole candidates for the verdict.

Candidates are Dynamo's own (each prefill and decode engine by itself), and beyond them aggregated deployments
and ratios of prefill to decode workers other than one to one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from perfmodels.parallel import ParallelPlan
from simkit.closed_form.deployment_table import host_of
from simkit.closed_form.one_deployment import pool_model
from simkit.closed_form.planner_profile import EngineProfile
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.estimate import Candidate
from simkit.core.workload import Lengths, Workload

Kind = Literal["prefill", "decode", "whole"]

_PROBE_OSL_TOKENS = 5  # as Dynamo's profiler: enough for a first token and a few gaps
_PROBE_REQUESTS = 3
_LENGTH_STEPS = (0.5, 1.0, 2.0)
_LOAD_STEPS = (0.25, 0.5, 1.0)
_DECODE_OSL_TOKENS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measurement: its load, how many requests, what is predicted for it [s].

    primed: the same prompts are sent once before, so that the measured pass finds them in the prefix cache
    and only decodes.
    """

    name: str
    workload: Workload
    requests: int | None = None
    warmups: int | None = None
    primed: bool = False
    predicted: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One deployment and what is measured on it, in order."""

    name: str
    kind: Kind
    candidate: Candidate
    points: tuple[Point, ...]

    @property
    def num_gpus(self) -> int:
        """GPUs it takes."""
        return self.candidate.deployment.num_gpus


def layout_name(deployment: Deployment) -> str:
    """A short name that tells layouts apart and may be a file's: vllm-agg-2xtp4, vllm-3xtp2-1xtp4."""
    if isinstance(deployment, Aggregated):
        return f"{deployment.backend}-agg-{_pool_name(deployment.worker)}"
    return f"{deployment.backend}-disagg-{_pool_name(deployment.prefill)}-{_pool_name(deployment.decode)}"


def _pool_name(pool: Pool) -> str:
    return f"{pool.replicas}x{pool.plan.label}"


def loaded(workload: Workload, candidate: Candidate) -> Workload:
    """The workload under a load: its own, else the one the candidate was predicted at."""
    if workload.concurrency is not None or workload.request_rate_per_s is not None:
        return workload
    return replace(workload, concurrency=max(1.0, float(round(candidate.estimate.concurrency))))


def whole_trials(problem: Problem, candidates: Iterable[Candidate]) -> tuple[Trial, ...]:
    """Every distinct layout once, in order, under the load it was predicted at."""
    found: dict[str, Trial] = {}
    for candidate in candidates:
        name = layout_name(candidate.deployment)
        load = loaded(problem.request.workload, candidate)
        means = {"ttft": candidate.estimate.ttft.mean_s, "itl": candidate.estimate.itl.mean_s}
        point = Point(name="load", workload=load, predicted=means)
        found.setdefault(name, Trial(name=name, kind="whole", candidate=candidate, points=(point,)))
    return tuple(found.values())


def engine_trials(problem: Problem, candidates: Iterable[Candidate], kind: Kind) -> tuple[Trial, ...]:
    """The prefill or decode engines of disaggregated candidates, each alone, the same one only once."""
    found: dict[str, Trial] = {}
    for candidate in candidates:
        deployment = candidate.deployment
        if not isinstance(deployment, Disaggregated):
            continue
        pool = deployment.prefill if kind == "prefill" else deployment.decode
        name = engine_name(kind, pool.plan, deployment.backend)
        if name not in found:
            found[name] = _engine_trial(problem, candidate, pool, (kind, name))
    return tuple(found.values())


def engine_name(kind: str, plan: ParallelPlan, backend: str) -> str:
    """The name of an engine's trial: vllm-prefill-tp2."""
    return f"{backend}-{kind}-{plan.label}"


def _engine_trial(problem: Problem, candidate: Candidate, pool: Pool, label: tuple[Kind, str]) -> Trial:
    """One engine that does both, as Dynamo's profiler deploys it; to decode alone, with a prefix cache."""
    kind, name = label
    engine = replace(pool.engine, prefix_caching=kind == "decode")
    alone = replace(pool, engine=engine, replicas=1)
    deployment = Aggregated(worker=alone, precision=candidate.deployment.precision)
    profile = EngineProfile(model=pool_model(problem, candidate.deployment, pool), plan=pool.plan)
    points = (
        _prefill_points(problem, profile)
        if kind == "prefill"
        else _decode_points(problem, candidate, profile)
    )
    return Trial(name=name, kind=kind, candidate=replace(candidate, deployment=deployment), points=points)


def _prefill_points(problem: Problem, engine: EngineProfile) -> tuple[Point, ...]:
    """TTFT of single prompts around the workload's length; every attention rank gets one at a time."""
    limit = (engine.model.engine.max_model_len or problem.shape.max_context_tokens) - _PROBE_OSL_TOKENS
    isl = problem.request.workload.isl_tokens
    lengths = sorted({max(1, min(round(isl * step), limit)) for step in _LENGTH_STEPS})
    isls = np.array(lengths, dtype=np.float64)
    host = host_of(engine.model, Lengths(isl_tokens=isls, osl_tokens=np.ones(len(isls)))).request_s
    times = engine.times(isls, np.ones(len(isls))).prefill_s + host
    slots = float(engine.plan.attn_dp)
    return tuple(
        Point(
            name=f"isl{length}",
            workload=Workload(isl_tokens=length, osl_tokens=_PROBE_OSL_TOKENS, concurrency=slots),
            requests=round(slots * _PROBE_REQUESTS),
            warmups=round(slots),
            predicted={"ttft": float(seconds)},
        )
        for length, seconds in zip(lengths, times, strict=True)
    )


def _decode_points(problem: Problem, candidate: Candidate, engine: EngineProfile) -> tuple[Point, ...]:
    """ITL over context and requests in flight, up to the load of one engine of the candidate."""
    deployment, workload = candidate.deployment, problem.request.workload
    workers = deployment.decode.replicas if isinstance(deployment, Disaggregated) else 1
    busiest = max(candidate.estimate.concurrency / workers, 1.0)
    osl = min(workload.osl_tokens, _DECODE_OSL_TOKENS)
    loads = sorted({max(1, math.ceil(busiest * step)) for step in _LOAD_STEPS})
    lengths = sorted({max(1, round(workload.isl_tokens * step)) for step in (0.5, 1.0)})
    return tuple(_decode_point(engine, isl, osl, load) for isl in lengths for load in loads)


def _decode_point(engine: EngineProfile, isl: float, osl: float, load: int) -> Point:
    context = np.array([isl + osl / 2.0])
    seconds = float(engine.decode_s(np.array([float(load)]), context)[0])
    return Point(
        name=f"isl{isl:g}-c{load}",
        workload=Workload(isl_tokens=isl, osl_tokens=osl, concurrency=load),
        requests=load,
        warmups=0,
        primed=True,
        predicted={"itl": seconds},
    )
