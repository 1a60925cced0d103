"""Parallel plans as each engine's flags, and back.

tp x attn_dp GPUs (times pp) make up one engine everywhere, but the engines count differently:
vLLM's tensor-parallel size is that of one data-parallel rank; SGLang's and TensorRT-LLM's is the
whole attention group. vLLM spreads experts over the whole group or not at all; TensorRT-LLM's
attention data parallelism takes the whole group.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError
from simkit.engines.flag_reader import Flags
from simkit.engines.flags import TABLES

DP_ATTENTION = ("--enable-dp-attention",)


def plan_flags(backend: str, plan: ParallelPlan) -> list[str]:
    """The flags that make one engine split the model as `plan` says."""
    return _WRITERS[backend](plan)


def plan_from_flags(backend: str, flags: Flags, *, moe: bool | None = None) -> ParallelPlan:
    """The plan that flags ask for.

    moe: whether the model has routed experts. Without expert parallelism its experts are split by
    tensor parallelism, which a dense model's flags look just like; None is taken as dense.
    """
    counts = _READERS[backend](flags)
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
    """Over how many whole engines data parallelism spreads requests; 1 where its ranks make up one.

    SGLang's ranks share nothing unless they share attention; vLLM's share the experts, so nothing in
    a dense model.
    """
    table = TABLES[backend]
    if backend == "sglang":
        return 1 if flags.has(DP_ATTENTION) else _size(flags, table.dp)
    return _size(flags, table.dp) if backend == "vllm" and not moe else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    tp: int
    pp: int
    attn_dp: int
    ep: int


def _plan(counts: _Counts, *, moe_tp: int, ep: int) -> ParallelPlan:
    try:
        return ParallelPlan(tp=counts.tp, pp=counts.pp, attn_dp=counts.attn_dp, moe_tp=moe_tp, ep=ep)
    except ValueError as error:
        raise InputError(f"engine flags: {error}; correct the sizes") from error


def _sizes(backend: str, tp: int, plan: ParallelPlan) -> list[str]:
    table = TABLES[backend]
    return [table.tp[0], str(tp), table.pp[0], str(plan.pp)]


def _write_vllm(plan: ParallelPlan) -> list[str]:
    table = TABLES["vllm"]
    if plan.ep > 1 and plan.moe_tp > 1:
        raise InputError(
            f"plan {plan.label}: vLLM spreads experts over all {plan.tp * plan.attn_dp} GPUs or none; "
            f"use ep {plan.tp * plan.attn_dp} with moe_tp 1, or ep 1"
        )
    expert = [table.ep[0]] if plan.ep > 1 else []
    return [*_sizes("vllm", plan.tp, plan), table.dp[0], str(plan.attn_dp), *expert]


def _write_sglang(plan: ParallelPlan) -> list[str]:
    table = TABLES["sglang"]
    attention = list(DP_ATTENTION) if plan.attn_dp > 1 else []
    return [
        *_sizes("sglang", plan.tp * plan.attn_dp, plan),
        *(table.dp[0], str(plan.attn_dp)),
        *attention,
        *(table.ep[0], str(plan.ep)),
    ]


def _write_trtllm(plan: ParallelPlan) -> list[str]:
    table = TABLES["trtllm"]
    if plan.tp > 1 and plan.attn_dp > 1:
        raise InputError(
            f"plan {plan.label}: TensorRT-LLM's attention data parallelism takes the whole group of "
            f"{plan.tp * plan.attn_dp} GPUs; use tp 1 with attn_dp {plan.tp * plan.attn_dp}, or attn_dp 1"
        )
    attention = [table.dp[0]] if plan.attn_dp > 1 else []
    return [*_sizes("trtllm", plan.tp * plan.attn_dp, plan), table.ep[0], str(plan.ep), *attention]


def _size(flags: Flags, names: tuple[str, ...]) -> int:
    value = flags.integer(names)
    if value is None:
        return 1
    if value < 1:
        raise InputError(f"flag {names[0]}: must be at least 1, got {value}; correct it")
    return value


def _read_vllm(flags: Flags) -> _Counts:
    table = TABLES["vllm"]
    tp, dp = _size(flags, table.tp), _size(flags, table.dp)
    ep = tp * dp if flags.switch(table.ep) else 1
    return _Counts(tp=tp, pp=_size(flags, table.pp), attn_dp=dp, ep=ep)


def _read_sglang(flags: Flags) -> _Counts:
    table = TABLES["sglang"]
    tp, dp = _size(flags, table.tp), _size(flags, table.dp)
    if dp > 1 and flags.has(DP_ATTENTION):
        tp = _share(tp, dp)
    ep = _size(flags, table.tp) if _exchanges_tokens(flags) else _size(flags, table.ep)
    return _Counts(tp=tp, pp=_size(flags, table.pp), attn_dp=dp, ep=ep)


def _exchanges_tokens(flags: Flags) -> bool:
    """SGLang spreads experts over the whole group when tokens travel to them, whatever --ep-size says."""
    exchange = flags.text(("--moe-a2a-backend",)) or "none"
    return exchange.lower() != "none" or flags.has(("--enable-ep-moe", "--enable-deepep-moe"))


def _share(tp: int, dp: int) -> int:
    if tp % dp:
        raise InputError(
            f"SGLang flags: tensor-parallel size {tp} is not a multiple of data-parallel size {dp}; "
            "with --enable-dp-attention the ranks share the tensor-parallel group"
        )
    return tp // dp


def _read_trtllm(flags: Flags) -> _Counts:
    table = TABLES["trtllm"]
    group = _size(flags, table.tp)
    spread = flags.switch(table.dp, ("--no-enable-attention-dp",)) is True
    tp, dp = (1, group) if spread else (group, 1)
    return _Counts(tp=tp, pp=_size(flags, table.pp), attn_dp=dp, ep=_size(flags, table.ep))


_WRITERS: Mapping[str, Callable[[ParallelPlan], list[str]]] = MappingProxyType(
    {"vllm": _write_vllm, "sglang": _write_sglang, "trtllm": _write_trtllm}
)
_READERS: Mapping[str, Callable[[Flags], _Counts]] = MappingProxyType(
    {"vllm": _read_vllm, "sglang": _read_sglang, "trtllm": _read_trtllm}
)
