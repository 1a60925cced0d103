"""Engines' own statements of their KV cache, and ours for the same deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from perfmodels.memory import MemoryQuestion, memory_use
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.units import GIB
from simkit.catalog.engine_models import weight_scale
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.core.errors import InputError
from simkit.engines.engine_memory import memory_rules, visible_bytes
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import default_engine

_CACHE_FORMATS = ("bf16", "bfloat16", "fp16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2")
_CONTEXT_TOKENS = 8192.0  # windowed layers count at their average over this context
_LONG_TOKENS = 1e9  # pools fixed at start: the printed tokens are those of the layers that keep all


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCapacity:
    """KV cache of one attention-DP rank in tokens, and in GiB per GPU; weights per GPU in GiB."""

    kv_tokens: float
    kv_gib: float
    weights_gib: float


def reported_capacity(report: Mapping[str, str]) -> StatedCapacity:
    """Our capacity for a row of data/memory/kv_capacity_reports.csv; the printed columns are not read."""
    model = load_model(report["model"])
    changes: dict[str, object] = {
        "version": report["backend_version"] or None,
    }
    if fraction := _number(report["memory_frac"]):
        changes["memory_frac"] = fraction
    if tokens := _number(report["max_batched_tokens"]):
        changes["max_num_batched_tokens"] = int(tokens)
    engine = default_engine(report["backend"], **changes)
    kv = model.precision.kv if report["kv_dtype"] in ("", "auto", "default") else report["kv_dtype"]
    if kv not in ("fp8_ds_mla", *_CACHE_FORMATS):
        raise InputError(f"cache format {kv!r} is not modelled; known: {', '.join(_CACHE_FORMATS)}")
    kv = "fp8" if kv == "fp8_ds_mla" else kv
    question = EngineModel(
        shape=model.shape,
        precision=replace(model.precision, kv=kv),
        device=gpu(report["gpu"]),
        engine=engine,
        weight_scale=weight_scale(model),
    )
    plan = PlanArray.of([_plan(report, moe=model.shape.is_moe)])
    rules = memory_rules(question, plan)
    use = memory_use(
        MemoryQuestion(
            shape=model.shape,
            precision=question.precision,
            plan=plan,
            device_bytes=visible_bytes(question),
            context_tokens=_LONG_TOKENS if rules.pools.state_ratio else _CONTEXT_TOKENS,
            weight_scale=question.weight_scale,
        ),
        rules,
    )
    stages = float(plan.pp[0])  # engines print what all pipeline stages hold together
    return StatedCapacity(
        kv_tokens=stages * float(use.kv_capacity_tokens[0]),
        kv_gib=float(use.kv_bytes[0]) / GIB,
        weights_gib=float(use.parts_bytes["weights"][0]) / GIB,
    )


def _plan(report: Mapping[str, str], *, moe: bool) -> ParallelPlan:
    tp, pp, dp, ep = (int(_number(report[name]) or 1) for name in ("tp", "pp", "attn_dp", "ep"))
    if report["backend"] == "sglang":
        tp //= dp  # its --tp-size counts the GPUs of all attention ranks
    if not moe:
        return ParallelPlan(tp=tp, pp=pp, attn_dp=dp)
    return ParallelPlan(tp=tp, pp=pp, attn_dp=dp, ep=ep, moe_tp=tp * dp // ep)


def _number(text: str) -> float | None:
    """The number in a cell; None where it is empty or says `default`."""
    try:
        return float(text)
    except ValueError:
        return None
