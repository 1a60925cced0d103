"""Profiling data for Dynamo's Planner and mocker, from our models instead of hours of measurement."""

import math

from simkit.closed_form.one_deployment import pool_model
from simkit.closed_form.planner_profile import (
    EngineProfile,
    ProfileRanges,
    decode_profile,
    max_kv_tokens,
    prefill_profile,
    step_tables,
)
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated
from simkit.core.engine import Role
from simkit.core.estimate import Candidate
from simkit.core.request import Request
from simkit.core.workload import workload_lengths
from simkit.formats.planner.files import profile_files

_LEAST_CONTEXT_TOKENS = 8192


def planner_profile(problem: Problem, candidate: Candidate) -> dict[str, bytes]:
    """File name to content of the profiling results of one candidate's engines.

    An aggregated engine is described in both roles. Nothing is written, nothing is measured.
    """
    prefill, decode = _engines(problem, candidate)
    ranges = profile_ranges(problem, prefill, decode)
    return profile_files(
        prefill_profile(prefill, ranges),
        decode_profile(decode, ranges),
        step_tables(prefill, decode, ranges),
    )


def rank_kv_tokens(problem: Problem, candidate: Candidate) -> dict[Role, int]:
    """Tokens that the cache of one attention rank holds, by role; what a mocker is to imitate."""
    engines = _engines(problem, candidate)
    ranges = profile_ranges(problem, *engines)
    first, last = (max_kv_tokens(engine, ranges) // engine.plan.attn_dp for engine in engines)
    if isinstance(candidate.deployment, Aggregated):
        return {"aggregated": last}
    return {"prefill": first, "decode": last}


def _engines(problem: Problem, candidate: Candidate) -> tuple[EngineProfile, EngineProfile]:
    """The engines of prefill and of decode; an aggregated one is both."""
    deployment = candidate.deployment
    engines = [
        EngineProfile(model=pool_model(problem, deployment, pool), plan=pool.plan)
        for pool in deployment.pools
    ]
    return engines[0], engines[-1]


def profile_ranges(problem: Problem, *engines: EngineProfile) -> ProfileRanges:
    """Up to twice the workload's lengths, where the Planner will look, within what the engines accept."""
    workload = problem.request.workload
    wanted = max(2 * math.ceil(workload.isl_tokens + workload.osl_tokens), _LEAST_CONTEXT_TOKENS)
    limits = [engine.model.engine.max_model_len or problem.shape.max_context_tokens for engine in engines]
    return ProfileRanges(max_context_tokens=min(wanted, *limits), typical=workload_lengths(workload))


def wants_profile(request: Request) -> bool:
    """Whether profiling data are of use: with a Planner or a mocker."""
    return request.deploy.planner is not None or request.deploy.mocker


def deploys_profile(request: Request) -> bool:
    """Whether profiling data go with the deployment: to a mocker, or to a Planner that holds an SLA.

    Other targets of the Planner use thresholds. Data of the user's own, or the wish for none, come first.
    """
    planner = request.deploy.planner or {}
    own = "profile_results_dir" in planner
    declined = planner.get("pre_deployment_sweeping_mode", "rapid") in (None, "none")
    return request.deploy.mocker or (planner.get("optimization_target") == "sla" and not (own or declined))
