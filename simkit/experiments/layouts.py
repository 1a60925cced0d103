"""From what a point says of its engines to sizes and counts, checked as the engine would at its start."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from perfmodels.parallel import ParallelPlan
from simkit.catalog.models import load_model
from simkit.core.deployment import Deployment, Disaggregated, parse_layout
from simkit.core.errors import InputError, SimkitError
from simkit.engines.engine_model import EngineModel
from simkit.engines.support import unsupported
from simkit.experiments.columns import SIZES
from simkit.search.space import SpaceRules, refusal
from simkit.verbs.deployment_rows import blocks, complete_table, engine_model_of


class EngineKey(NamedTuple):
    """What an engine model is made of."""

    model: str
    gpu: str
    backend: str
    backend_version: str | None
    precision: str | None
    kv_dtype: str | None


class LayoutKey(NamedTuple):
    """What a layout is made of, as a point states it; None where it does not."""

    plan: str | None
    prefill: str | None
    decode: str | None
    sizes: tuple[int | None, ...]
    num_gpus: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLayout:
    """Columns of a point that follow from its layout; error says why engines would not start."""

    columns: Mapping[str, Any]
    error: str = ""


@lru_cache(maxsize=10_000)
def layout_of(engine: EngineKey, asked: LayoutKey) -> PointLayout:
    """The layout of a point, or why it has none."""
    try:
        pools = _pools(engine, asked)
        model = _engine_model(engine)
    except (SimkitError, ValueError, KeyError) as error:
        return PointLayout(columns={}, error=str(error.args[0] if error.args else error))
    reason = unsupported(engine.backend, model.device, model.precision)
    for _, plan in pools:
        reason = reason or _refused(model, plan)
    used = sum(count * plan.num_gpus for count, plan in pools)
    if asked.num_gpus is not None and used > asked.num_gpus:
        reason = reason or f"the layout takes {used} GPUs and num_gpus is {asked.num_gpus}"
    return PointLayout(columns=_columns(pools, asked, used), error=reason)


def plan_text(deployment: Deployment) -> str:
    """A deployment by its short name: 4xtp2, or 3xtp2+1xtp4 for prefill and decode."""
    return "+".join(f"{pool.replicas}x{pool.plan.label}" for pool in deployment.pools)


def plan_columns(deployment: Deployment) -> dict[str, Any]:
    """Columns of a deployment that was chosen."""
    pools = [(pool.replicas, pool.plan) for pool in deployment.pools]
    found = _columns(pools, LayoutKey(None, None, None, (), None), deployment.num_gpus)
    mode = "disagg" if isinstance(deployment, Disaggregated) else "agg"
    return {**found, "mode": mode, "plan": plan_text(deployment)}


def _pools(engine: EngineKey, asked: LayoutKey) -> list[tuple[int, ParallelPlan]]:
    moe = load_model(engine.model).shape.is_moe
    if asked.plan is not None:
        names = [part.strip() for part in asked.plan.split("+")]
        if len(names) > 2:
            raise InputError(f"plan {asked.plan!r}: more than prefill + decode; write it like 3xtp2+1xtp4")
    elif asked.prefill is not None and asked.decode is not None:
        names = [asked.prefill, asked.decode]
    else:
        return [_from_sizes(asked, moe=moe)]
    found = [parse_layout(name, moe=moe) for name in names]
    if len(names) == 1 and not _counted(names[0]) and asked.num_gpus is not None:
        found = [(max(asked.num_gpus // found[0][1].num_gpus, 1), found[0][1])]
    return found


def _counted(name: str) -> bool:
    """Whether a short name says how many engines: 4xtp2 does, tp2 does not."""
    return name.lstrip()[:1].isdigit()


def _from_sizes(asked: LayoutKey, *, moe: bool) -> tuple[int, ParallelPlan]:
    stated = dict(zip(SIZES, asked.sizes, strict=True))
    names = {"tp": "tp", "attn_dp": "dp", "moe_tp": "mtp", "ep": "ep", "pp": "pp"}
    stated["tp"] = stated["tp"] or 1
    text = "".join(f"{short}{stated[name]}" for name, short in names.items() if stated[name] is not None)
    count, plan = parse_layout(text, moe=moe)
    if asked.num_gpus is not None:
        count = max(asked.num_gpus // plan.num_gpus, 1)
    return count, plan


def _columns(pools: list[tuple[int, ParallelPlan]], asked: LayoutKey, used: int) -> dict[str, Any]:
    if len(pools) == 1:
        sizes = {name: getattr(pools[0][1], name) for name in SIZES}
        return {**sizes, "num_gpus": used, "mode": "agg"}
    found: dict[str, Any] = {"num_gpus": used, "mode": "disagg"}
    for role, (count, plan) in zip(("prefill", "decode"), pools, strict=True):
        found[f"{role}_workers"] = count
        found |= {f"{role}_{name}": getattr(plan, name) for name in SIZES}
    return found


@lru_cache(maxsize=256)
def _engine_model(engine: EngineKey) -> EngineModel:
    import pandas as pd

    table = complete_table(pd.DataFrame([engine._asdict()]))
    (block,) = blocks(table, table.index.to_numpy())
    return engine_model_of(block)


def _refused(model: EngineModel, plan: ParallelPlan) -> str:
    rules = SpaceRules(
        max_gpus=plan.num_gpus,
        backend=model.engine.backend,
        expert_format=model.precision.moe,
        dense_format=model.precision.gemm,
    )
    reason = refusal(model.shape, plan, rules)
    return f"{plan.label} cannot run {model.shape.name}: {reason}" if reason else ""
