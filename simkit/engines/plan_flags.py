"""Parallel plans as each engine's flags, and back.

tp x attn_dp GPUs (times pp) make up one engine everywhere, but the engines count differently: each says how
in its own module.
"""

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_spec
from simkit.engines.spec import GroupSizes


def plan_flags(backend: str, plan: ParallelPlan) -> list[str]:
    """The flags that make one engine split the model as `plan` says."""
    return engine_spec(backend).plans.write(plan)


def plan_from_flags(backend: str, flags: Flags, *, moe: bool | None = None) -> ParallelPlan:
    """The plan that flags ask for.

    moe: whether the model has routed experts. Without expert parallelism its experts are split by
    tensor parallelism, which a dense model's flags look just like; None is taken as dense.
    """
    counts = engine_spec(backend).plans.read(flags)
    expert_gpus = counts.tp * counts.attn_dp
    if moe is False or (moe is None and counts.ep == 1):
        return _plan(counts, moe_tp=1, ep=1)
    if expert_gpus % counts.ep:
        raise InputError(
            f"{backend} flags: expert-parallel size {counts.ep} does not divide the {expert_gpus} GPUs "
            "that hold the experts; make it a divisor"
        )
    return _plan(counts, moe_tp=expert_gpus // counts.ep, ep=counts.ep)


def engines_apart(backend: str, flags: Flags, *, moe: bool) -> int:
    """Over how many whole engines data parallelism spreads requests; 1 where its ranks make up one."""
    return engine_spec(backend).plans.apart(flags, moe)


def _plan(counts: GroupSizes, *, moe_tp: int, ep: int) -> ParallelPlan:
    try:
        return ParallelPlan(tp=counts.tp, pp=counts.pp, attn_dp=counts.attn_dp, moe_tp=moe_tp, ep=ep)
    except ValueError as error:
        raise InputError(f"engine flags: {error}; correct the sizes") from error
