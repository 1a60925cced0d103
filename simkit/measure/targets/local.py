"""A deployment served on this machine without GPUs: real Dynamo around mocked engines at our step times."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from perfmodels.model.params import kv_bytes_per_token_full
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.deployment_table import handover_s
from simkit.closed_form.one_deployment import pool_model
from simkit.closed_form.planner_profile import EngineProfile
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated, Deployment, Pool
from simkit.core.errors import ExternalError
from simkit.core.estimate import Candidate
from simkit.core.workload import Workload, workload_lengths
from simkit.engines.registry import default_engine, engine_names
from simkit.formats.planner.files import MOCKER_NPZ
from simkit.io.processes import clean_orphans
from simkit.io.tools import DYNAMO, registry, require_tool
from simkit.measure.load_client import ClientOptions, drive
from simkit.measure.mocked import mocked
from simkit.measure.run import Server
from simkit.measure.targets import Target
from simkit.targets.local.dynamo import DynamoLocal, MockPool, Role, dynamo_plan, prepare
from simkit.targets.local.service import serving
from simkit.verbs.answer_files.planner_data import planner_profile

_ANSWERS, _ANSWER_S = 3, 30.0
MOCKED = "engines mocked at predicted step times: this checks queueing and the stack, not the GPUs"


def mock_pools(problem: Problem, candidate: Candidate) -> tuple[MockPool, ...]:
    """The mocked engines of a candidate: its pools, step times, and room in the cache.

    A pipeline stage is an independent stream of requests, as is an attention rank; the mocker knows ranks.
    """
    deployment = candidate.deployment
    step_times = planner_profile(problem, candidate)[MOCKER_NPZ]
    return tuple(
        MockPool(
            role=role,
            pool=pool,
            step_times=step_times,
            kv_blocks=_kv_blocks(problem, deployment, pool),
        )
        for role, pool in _roles(deployment)
    )


def _roles(deployment: Deployment) -> tuple[tuple[Role, Pool], ...]:
    if isinstance(deployment, Aggregated):
        return (("aggregated", deployment.worker),)
    return (("prefill", deployment.prefill), ("decode", deployment.decode))


def _kv_blocks(problem: Problem, deployment: Deployment, pool: Pool) -> int:
    """Blocks of cache of one stream of requests."""
    lengths = workload_lengths(problem.request.workload)
    isl, osl = (
        np.atleast_1d(np.asarray(value, dtype=np.float64))
        for value in (lengths.isl_tokens, lengths.osl_tokens)
    )
    engine = EngineProfile(model=pool_model(problem, deployment, pool), plan=pool.plan)
    tokens = float(engine.times(isl, osl).kv_capacity_tokens[0])
    return max(int(tokens // pool.engine.kv_block_tokens), 1)


def local_deployment(problem: Problem, candidate: Candidate, folder: Path) -> DynamoLocal:
    """What is started for a candidate; its logs go into `folder`."""
    pools = mock_pools(problem, candidate)
    bandwidth, per_token = _transfer(problem, candidate)
    workload = problem.request.workload
    return DynamoLocal(
        python=require_tool(DYNAMO),
        folder=folder,
        pools=pools,
        kv_router=problem.request.deploy.kv_router,
        max_tokens=max(131_072, round(2 * (workload.isl_tokens + workload.osl_tokens))),
        transfer_gb_per_s=bandwidth,
        kv_bytes_per_token=per_token,
    )


def _transfer(problem: Problem, candidate: Candidate) -> tuple[float | None, int | None]:
    """Rate [GB/s] and bytes per token such that a prompt's cache takes as long as predicted; None if agg."""
    deployment = candidate.deployment
    if isinstance(deployment, Aggregated):
        return None, None
    model = pool_model(problem, deployment, deployment.prefill)
    lengths = workload_lengths(problem.request.workload)
    plan = PlanArray.of([deployment.prefill.plan])
    seconds = float(np.ravel(handover_s(model, plan, lengths, problem.path))[0])
    per_token = kv_bytes_per_token_full(model.shape, model.precision.kv)
    moved = per_token * float(np.asarray(lengths.isl_tokens))
    return moved / seconds / 1e9, max(round(per_token), 1)


@contextmanager
def local_server(problem: Problem, candidate: Candidate, folder: Path) -> Iterator[Server]:
    """A candidate served until the context ends; leftovers of killed runs are cleared first."""
    notes = registry()
    clean_orphans(notes)
    local = local_deployment(problem, candidate, folder)
    prepare(local)
    with serving(lambda port: dynamo_plan(local, port, os.environ), notes) as service:
        server = Server(
            url=service.plan.url,
            model=service.plan.model,
            check=service.check,
            note=MOCKED,
            log=str(folder / "logs"),
        )
        first_answers(server)
        yield server


def try_out(python: Path, folder: Path) -> None:
    """Start a mocked engine and a frontend of this Dynamo, and stop them. Raises ExternalError."""
    pool = Pool(plan=ParallelPlan(), engine=default_engine(engine_names()[0]))
    local = DynamoLocal(python=python, folder=folder, pools=(MockPool(role="aggregated", pool=pool),))
    prepare(local)
    with serving(lambda port: dynamo_plan(local, port, os.environ), registry()) as service:
        first_answers(Server(url=service.plan.url, model=service.plan.model, check=service.check))


def first_answers(server: Server) -> None:
    """Wait until requests are answered: a router may list engines before it sends anything to them."""
    load, begun, answered = Workload(isl_tokens=8, osl_tokens=2, concurrency=1), time.monotonic(), 0
    while answered < _ANSWERS:
        server.check()
        (record,) = drive(
            server.endpoint, server.model, load, ClientOptions(request_count=1, stall_s=_ANSWER_S)
        )
        answered = 0 if record.error else answered + 1
        if record.error and time.monotonic() - begun > _ANSWER_S:
            raise ExternalError(f"{server.url}: lists its model but does not answer ({record.error})")


TARGET = Target(
    about="mocked engines here",
    start=local_server,
    expect=mocked,
    real_engines=False,
    own_tokenizer=True,
)
