"""A closed loop on one engine of linear step times, request by request."""

from dataclasses import dataclass

import numpy as np

from perfmodels.efficiency import Efficiency
from simkit.closed_form.linear_steps import LinearSteps
from simkit.core.engine import EngineOptions
from simkit.sim.cluster import Cluster, EnginePool, simulate
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests
from simkit.sim.step_table import StepTable

_ROOM_TOKENS = float(1 << 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopMeans:
    """Means over requests [s], and output tokens per second from the first sent to the last answered."""

    ttft_s: float
    itl_s: float
    output_tokens_per_s: float


def simulated_loop(
    steps: LinearSteps, engine: EngineOptions, load: tuple[int, int, int], requests: int
) -> LoopMeans:
    """`requests` equal requests; load is (prompt tokens, output tokens, in flight).

    The engine has room for any cache, and no graphs whose sizes round a batch up: what those cost is in
    measured step times already.
    """
    isl, osl, slots = load
    host = Efficiency(request_host_s=steps.request_s, request_token_s=0.0, request_serial_s=steps.serial_s)
    policy = SchedulerPolicy.of(engine, host, _ROOM_TOKENS).changed(captured=(), admission_steps=0.0)
    cluster = Cluster(pools=(EnginePool(table=StepTable.linear(steps), policy=policy),))
    run = simulate(cluster, _equal(isl, osl, requests), concurrency=slots).times
    return LoopMeans(
        ttft_s=float(np.mean(run.ttft_s)),
        itl_s=float(np.mean(run.itl_s)) if osl > 1 else 0.0,
        output_tokens_per_s=float(np.sum(run.osl_tokens) / (run.finished_s.max() - run.sent_s.min())),
    )


def _equal(isl: int, osl: int, count: int) -> Requests:
    return Requests.unshared(
        arrival_s=np.zeros(count),
        isl_tokens=np.full(count, isl, dtype=np.int64),
        osl_tokens=np.full(count, osl, dtype=np.int64),
    )
