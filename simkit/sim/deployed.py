"""A deployment as a simulated cluster: step times, memory and measured factors as in its estimate."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.parallel import PlanArray
from simkit.closed_form.deployment_table import handover_s
from simkit.closed_form.engine_speed import PhaseTimes, phase_times
from simkit.closed_form.one_deployment import deployment_curve, pool_model
from simkit.closed_form.problem import Problem
from simkit.closed_form.residuals import EngineHabits, engine_habits
from simkit.core.deployment import ROLES, Deployment, Pool
from simkit.core.errors import InfeasibleError
from simkit.core.workload import Lengths, workload_lengths
from simkit.engines.engine_model import EngineModel
from simkit.sim.cluster import Cluster, EnginePool, Handover
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.step_table import StepTable

_PROMPTS: FloatArray = np.concatenate([[1.0], 2.0 ** np.arange(5, 21, 0.5)])
_SHORTEST = 0.05  # of a computed prefill: no run was that much faster


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engine:
    """One pool, its model and its phases under the mean lengths."""

    model: EngineModel
    pool: Pool
    times: PhaseTimes


def cluster_of(problem: Problem, deployment: Deployment, *, router: str = "round_robin") -> Cluster:
    """The cluster of a deployment; a request that is alone takes as long as the estimate says.

    Raises InfeasibleError where a pool has no room for a cache.
    """
    lengths = workload_lengths(problem.request.workload)
    engines = []
    for pool, role in zip(deployment.pools, ROLES[deployment.mode], strict=True):
        model = pool_model(problem, deployment, pool)
        times = phase_times(model, PlanArray.of([pool.plan]), lengths, role)
        engines.append(_Engine(model=model, pool=pool, times=times))
    pools = [_engine_pool(engine) for engine in engines]
    handover = None if len(pools) == 1 else _handover(problem, engines[0])
    batch = pools[-1].table.decode_batch
    habits = engine_habits(engines[-1].model, deployment.mode, engines[-1].times, lengths, batch)
    habits = _as_own_runs_say(problem, deployment, habits, batch)
    if habits is not None:
        pools[0] = _first_token_as_measured(pools[0], engines[0], habits, (lengths, handover))
        pools[-1] = replace(pools[-1], table=pools[-1].table.paced(decode=habits.decode_factor))
    return Cluster(pools=tuple(pools), handover=handover, router=router)


def _as_own_runs_say(
    problem: Problem, deployment: Deployment, habits: EngineHabits | None, batch: FloatArray
) -> EngineHabits | None:
    """Habits times what own runs make of the estimate with so many sequences decoding, and of one alone."""
    request = problem.request
    if request.own is None:
        return habits
    workload = replace(request.workload, concurrency=1.0, request_rate_per_s=None, requests_per_slot=None)
    asked = replace(problem, request=replace(request, workload=workload))
    plain = replace(asked, request=replace(asked.request, own=None))
    pool = deployment.pools[-1]
    loads = [1.0, *(np.maximum(batch, 1.0) * pool.replicas * pool.plan.attn_dp * pool.plan.pp)]
    pairs = zip(*(deployment_curve(each, deployment, loads) for each in (asked, plain)), strict=True)
    means = [(own.estimate, shipped.estimate) for own, shipped in pairs]
    decode = np.array([own.itl.mean_s / max(shipped.itl.mean_s, 1e-9) for own, shipped in means[1:]])
    first = means[0][0].ttft.mean_s / means[0][1].ttft.mean_s
    known = habits or EngineHabits(decode_factor=np.ones(len(batch)), first_token_factor=1.0)
    return EngineHabits(
        decode_factor=known.decode_factor * decode, first_token_factor=known.first_token_factor * first
    )


def _handover(problem: Problem, sender: _Engine) -> Handover:
    plan = PlanArray.of([sender.pool.plan])
    prompts = [Lengths(isl_tokens=tokens, osl_tokens=1.0) for tokens in _PROMPTS]
    moved = [float(handover_s(sender.model, plan, prompt, problem.path)[0]) for prompt in prompts]
    return Handover(tokens=_PROMPTS, time_s=np.array(moved))


def _engine_pool(engine: _Engine) -> EnginePool:
    model, pool = engine.model, engine.pool
    capacity = float(engine.times.kv_capacity_tokens[0])
    if capacity < pool.engine.kv_block_tokens:
        raise InfeasibleError(
            f"{pool.plan.label} on {model.device.name}: weights and working memory leave no room for a KV "
            "cache; use more GPUs per engine or a quantised checkpoint"
        )
    return EnginePool(
        table=StepTable.of(model, pool.plan, max_seqs=pool.engine.max_num_seqs),
        policy=_policy(engine, capacity),
        replicas=pool.replicas,
        ranks=pool.plan.attn_dp,
        stages=pool.plan.pp,
    )


def _policy(engine: _Engine, capacity: float) -> SchedulerPolicy:
    """The engine's scheduler; what the host launches ahead of the GPU delays a request, not the others."""
    policy = SchedulerPolicy.of(engine.pool.engine, engine.model.efficiency, capacity)
    return policy.changed(request_host_s=policy.request_host_s + float(engine.times.ahead_s[0]))


def _first_token_as_measured(
    pool: EnginePool, engine: _Engine, habits: EngineHabits, asked: tuple[Lengths, Handover | None]
) -> EnginePool:
    """The pool that prefills, such that TTFT of a request alone is what measured runs suggest.

    What it takes more or less is time of the host: how long the engine works on prompts, ITL under load
    tells better. Where the host has less than that to give, the prefill is shorter too.
    """
    lengths, handover = asked
    isl, policy = float(np.asarray(lengths.isl_tokens)), pool.policy
    host_s = policy.request_host_s + policy.request_token_s * isl
    prefill_s = float(engine.times.prefill_s[0] - engine.times.ahead_s[0])
    moved_s = 0.0 if handover is None else float(np.interp(isl, handover.tokens, handover.time_s))
    left_s = habits.first_token_factor * (host_s + prefill_s + moved_s) - prefill_s - moved_s
    factor = max(left_s, 0.0) / host_s if host_s > 0 else 1.0
    shorter = max(1.0 + min(left_s, 0.0) / prefill_s, _SHORTEST)
    changed = policy.changed(
        request_host_s=policy.request_host_s * factor, request_token_s=policy.request_token_s * factor
    )
    return replace(pool, policy=changed, table=pool.table.paced(prefill=shorter))
