"""Rows of a table of runs as deployments under loads: filled in, checked, put together by engine model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.hardware import Device
from perfmodels.model.dtypes import FP8_WEIGHTS, Precision, dtype
from perfmodels.parallel import ParallelPlan, PlanArray, expert_split
from simkit.catalog.engine_models import engine_model, served_precision
from simkit.catalog.gpus import gpu
from simkit.catalog.models import Model, load_model
from simkit.catalog.problems import check_draft
from simkit.catalog.runs import (
    AGG_PLAN,
    OPTIONS,
    PROTOCOLS,
    PUBLIC_BENCHMARKS,
    RATE,
    SLOTS,
    coerced,
    resolve_options,
)
from simkit.closed_form.aggregated_loop import Procedure
from simkit.closed_form.deployment_table import PoolRows, RowWork, row_work
from simkit.core.draft import Draft, parse_draft
from simkit.core.errors import InputError, SimkitError
from simkit.core.request import Tuning
from simkit.core.workload import mean_lengths
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import engine_spec
from simkit.engines.support import draft_refusal

if TYPE_CHECKING:
    import pandas as pd

DRAFT = "speculative"  # METHOD:TOKENS:ACCEPTANCE[:MODEL], as in mtp:3:0.8; empty: none
MEMORY = "memory_frac"  # of the device that the engine may use; empty: the engine's own default
HIT = "prefix_hit"  # share of prompt tokens found in the cache; empty: none
OFFERED = "offered"  # whether a block's rows are open loops
UNREAD = "unread"  # why a cell of a row is no number, empty where all are
_MOST, _MOST_GPUS = 1e12, 1_000_000
RDMA = "rdma"  # whether caches move between engines by RDMA; empty: they do
_PREFIXES = ("", "prefill_", "decode_")  # of the columns of a plan
_NUMBERS = (
    "isl_tokens", "osl_tokens", "concurrency", RATE, "num_gpus", "requests_per_slot", "length_spread",
    HIT,
)  # fmt: skip
_GROUP = (
    "model", "gpu", "backend", "backend_version", "precision", "gemm_dtype", "moe_dtype", "kv_dtype", "mode",
    DRAFT,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """Rows predicted in one go: what they share, where they stand in the table, the rows."""

    key: dict[str, Any]
    index: np.ndarray
    frame: "pd.DataFrame"
    procedure: Procedure


def complete_table(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The table with optional columns with their defaults, numbers as numbers."""
    table = frame.reset_index(drop=True).copy()
    for name in _GROUP:
        table[name] = table[name].astype("object") if name in table else None
        table[name] = table[name].where(table[name].notna(), None)
    table["mode"] = table["mode"].fillna("agg")
    table["run_id"] = table["run_id"] if "run_id" in table else [f"row-{i}" for i in range(len(table))]
    table[UNREAD] = ""
    for name in (f"{role}{size}" for role in _PREFIXES for size in (*AGG_PLAN, "workers")):
        _to_numbers(table, name)
    experts = _with_experts(table["model"])
    for role in _PREFIXES:
        _fill_plan(table, role, experts)
    for name in (*_NUMBERS, SLOTS, MEMORY, *(name for name in OPTIONS if name in table)):
        _to_numbers(table, name)
    table[RDMA] = _flags(table)
    protocol = table["protocol"].astype("object") if "protocol" in table else None
    table["protocol"] = protocol.where(protocol.notna(), "steady") if protocol is not None else "steady"
    return resolve_options(table)


def _to_numbers(table: "pd.DataFrame", name: str) -> None:
    """A column as numbers; what is none, or beyond any quantity, is left out and named in UNREAD."""
    if name not in table:
        table[name] = np.nan
        return
    given = table[name]
    values = coerced(given)
    odd = ((values.isna() & given.notna()) | (values.abs() > _MOST)).to_numpy()
    table[name] = values.where(~odd, np.nan)
    for row in np.flatnonzero(odd):
        found = given.iloc[row]
        shown = repr(found) if isinstance(found, str) else str(found)
        table.loc[row, UNREAD] = f"{name}: expected a number below {_MOST:g}, got {shown:.60}"


def _flags(table: "pd.DataFrame") -> np.ndarray:
    """Whether each row has RDMA; all but a clear no is a yes."""
    if RDMA not in table:
        return np.ones(len(table), dtype=bool)
    return ~table[RDMA].isin([False, "false", "False", "no"]).to_numpy()


def _with_experts(models: "pd.Series[Any]") -> np.ndarray:
    """Which rows name a mixture of experts; a model that is not known is refused later, with its reason."""
    known: dict[Any, bool] = {}
    for name in models.dropna().unique():
        try:
            known[name] = load_model(str(name)).shape.is_moe
        except SimkitError:
            known[name] = False
    return np.array([known.get(name, False) for name in models], dtype=bool)


def _fill_plan(table: "pd.DataFrame", role: str, experts: np.ndarray) -> None:
    """Sizes that a row leaves out, as short names leave them out (perfmodels.parallel.expert_split)."""
    for size in ("tp", "pp", "attn_dp", "workers"):
        table[f"{role}{size}"] = table[f"{role}{size}"].fillna(1.0)
    tp, attn_dp, moe_tp, ep = (
        table[f"{role}{name}"].to_numpy() for name in ("tp", "attn_dp", "moe_tp", "ep")
    )
    filled = expert_split(tp * attn_dp, attn_dp, (moe_tp, ep), moe=experts)
    table[f"{role}moe_tp"], table[f"{role}ep"] = filled


def row_faults(table: "pd.DataFrame") -> np.ndarray:
    """A reason for each row that lacks what a prediction needs, else an empty string."""
    faults, experts = np.full(len(table), "", dtype=object), _with_experts(table["model"])
    offered, held = (np.isfinite(table[name].to_numpy()) for name in (RATE, "concurrency"))
    for name, asked in (
        ("isl_tokens", True),
        ("osl_tokens", True),
        ("concurrency", ~offered),
        (RATE, offered),
    ):
        values = table[name].to_numpy()
        faults[~((values > 0) & (values < 1e9)) & asked] = f"{name} must be a positive number below 1e9"
    faults[offered & held] = f"give either concurrency or {RATE}, not both"
    waves, spread = table["requests_per_slot"].to_numpy(), table["length_spread"].to_numpy()
    hit, memory = table[HIT].to_numpy(), table[MEMORY].to_numpy()
    faults[np.isfinite(memory) & ~((memory > 0) & (memory <= 1))] = f"{MEMORY} must be above 0 and at most 1"
    faults[np.isfinite(hit) & ~((hit >= 0) & (hit < 1))] = f"{HIT} must be a share from 0 to below 1"
    faults[np.isfinite(waves) & (waves <= 0)] = "requests_per_slot must be positive"
    faults[np.isfinite(spread) & ~((spread >= 0) & (spread < 1))] = "length_spread must be in [0, 1)"
    slots = table[SLOTS].to_numpy()
    faults[np.isfinite(slots) & ~((slots >= 1) & (slots == np.floor(slots)))] = (
        f"{SLOTS} must be a whole number of at least 1"
    )
    for name in ("model", "gpu", "backend"):
        faults[table[name].isna().to_numpy()] = f"{name} is empty"
    unknown = ~table["mode"].isin(["agg", "disagg"]).to_numpy()
    faults[unknown] = "mode must be agg or disagg"
    odd = ~table["protocol"].isin(list(PROTOCOLS)).to_numpy()
    faults[odd] = (
        f"protocol must be one of {', '.join(PROTOCOLS)}; or give requests_per_slot and length_spread"
    )
    for role in _PREFIXES:
        tp, dp, moe_tp, ep = (table[f"{role}{name}"].to_numpy() for name in ("tp", "attn_dp", "moe_tp", "ep"))
        uneven = (moe_tp * ep > 1) & (tp * dp != moe_tp * ep)
        faults[uneven] = f"{role}tp*attn_dp must equal {role}moe_tp*ep"
        whole = experts & (tp * dp > 1) & (moe_tp * ep == 1)
        faults[whole] = f"{role}moe_tp and ep split no expert over {role}tp*attn_dp GPUs; leave both empty"
        sizes = np.stack([tp, dp, moe_tp, ep])
        faults[((sizes < 1) | (sizes != np.floor(sizes))).any(axis=0)] = (
            f"{role}tp, attn_dp, moe_tp and ep must be whole numbers of at least 1"
        )
        sizes = np.stack([sizes[0], sizes[1], table[f"{role}pp"], table[f"{role}workers"]])
        faults[((sizes < 1) | (sizes != np.floor(sizes)) | (sizes > _MOST_GPUS)).any(axis=0)] = (
            f"{role}tp, pp, attn_dp and workers must be whole numbers from 1 to {_MOST_GPUS:,}"
        )
    unread = table[UNREAD].to_numpy()
    faults[unread != ""] = unread[unread != ""]
    return faults


def blocks(table: "pd.DataFrame", rows: np.ndarray) -> Iterator[TableBlock]:
    """Split by everything but plans, lengths and load."""
    import pandas as pd

    if not len(table):
        return
    offered = pd.Series(np.isfinite(table[RATE].to_numpy()), index=table.index, name=OFFERED)
    columns = [*_GROUP, "protocol", "requests_per_slot", "length_spread", *OPTIONS, MEMORY, RDMA]
    keyed = pd.concat([table[columns], offered], axis=1)
    group = keyed.groupby(list(keyed.columns), dropna=False, sort=False).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    for positions in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        first = keyed.iloc[positions[0]]
        key = {str(name): "" if pd.isna(value) else value for name, value in first.items()}
        yield TableBlock(
            key=key, index=rows[positions], frame=table.iloc[positions], procedure=_procedure(key)
        )


def _procedure(key: dict[str, Any]) -> Procedure:
    named = PROTOCOLS[str(key["protocol"])]
    waves, spread = key["requests_per_slot"], key["length_spread"]
    return Procedure(
        requests_per_slot=float(waves) if waves != "" else named.requests_per_slot,
        length_spread=float(spread) if spread != "" else named.length_spread,
    )


@lru_cache(maxsize=256)
def _known_gpu(name: str) -> Device:
    """A catalogue entry, read once: tables name the same few many times."""
    return gpu(name)


def block_precision(block: TableBlock, model: Model) -> Precision:
    """Formats of a block's rows: what they state, the named scheme of a checkpoint, else as it is stored.

    Published 4-bit checkpoints of mixtures of experts store the experts so and keep attention in 16
    bits; "fp8" of a checkpoint that is stored in blocks (fp8_block, mxfp8) means those blocks.
    """
    key, stored = block.key, model.precision
    named = str(key["precision"] or "")
    whole = {"fp4": "nvfp4", "int4": "int4_wo"}.get(named, named)
    moe = _scheme(str(key["moe_dtype"] or whole or stored.moe), stored.moe)
    gemm = _scheme(str(key["gemm_dtype"] or whole or stored.gemm), stored.gemm)
    if whole and model.shape.is_moe and dtype(moe).bytes_per_element < 1.0:
        gemm = stored.gemm if moe == stored.moe else "bf16"
    if gemm == "mxfp4":  # no engine multiplies dense matrices in it
        gemm = "bf16"
    stated = Precision(gemm=gemm, moe=moe, kv=stored.kv)
    if key["kv_dtype"]:
        return replace(stated, kv=dtype(str(key["kv_dtype"])).name)
    if block.procedure in PUBLIC_BENCHMARKS:
        return replace(stated, kv=_benchmark_cache(key, stated))
    return served_precision(stated, str(key["backend"]))


def _scheme(named: str, stored: str) -> str:
    return stored if named == "fp8" and stored in FP8_WEIGHTS else named


def _benchmark_cache(key: dict[str, Any], stated: Precision) -> str:
    """Format of the cache where a public benchmark ran; its tables do not record it.

    They keep the cache of quantised checkpoints in FP8 (with 16 bits several measured runs could not have
    held their load), but for MXFP4 ones, and for SGLang on GPUs before Blackwell, whose FP8 decode kernels
    are several times slower than the 16-bit ones.
    """
    quantised = dtype(stated.moe).bytes_per_element <= 1.01 and str(key["precision"]) != "mxfp4"
    slow = engine_spec(str(key["backend"])).formats.slow_fp8_cache
    slow = slow and "fp4" not in _known_gpu(str(key["gpu"])).peak_flop_per_s
    return "fp8" if quantised and not slow else stated.kv


def engine_model_of(block: TableBlock) -> EngineModel:
    """The engine model of a block's rows."""
    key, model = block.key, load_model(str(block.key["model"]))
    settings: dict[str, object] = {name: int(key[name]) for name in OPTIONS if key[name] != ""}
    if key[MEMORY] != "":
        settings[MEMORY] = float(key[MEMORY])
    if key[DRAFT]:
        settings["draft"] = _draft(str(key[DRAFT]), model, block.frame)
    if key["backend_version"]:
        settings["version"] = str(key["backend_version"])
    precision, device = block_precision(block, model), _known_gpu(str(key["gpu"]))
    return engine_model(model, device, str(key["backend"]), precision, **settings)


def _draft(text: str, model: Model, frame: "pd.DataFrame") -> Draft:
    """The draft of a block's rows. Raises InputError where the model or a plan cannot have it."""
    draft = parse_draft(text)
    check_draft(Tuning(draft=draft), model)
    for backend, pp in {(str(b), float(p)) for b, p in zip(frame["backend"], frame["pp"], strict=True)}:
        reason = draft_refusal(backend, draft, ParallelPlan(pp=int(pp)))
        if reason:
            raise InputError(reason)
    return draft


def block_work(model: EngineModel, block: TableBlock) -> RowWork:
    """A block's rows before the engine's factors."""
    offered = bool(block.key[OFFERED])
    names = ("isl_tokens", "osl_tokens", RATE if offered else "concurrency")
    isl, osl, amount = (block.frame[name].to_numpy(dtype=np.float64) for name in names)
    hit = np.nan_to_num(block.frame[HIT].to_numpy(dtype=np.float64))
    load = (mean_lengths(isl, osl, float(block.procedure.length_spread), hit), amount)
    pools = (
        (_agg_pool(block.frame),)
        if block.key["mode"] == "agg"
        else (_role_pool(block.frame, "prefill"), _role_pool(block.frame, "decode"))
    )
    work = row_work(model, pools, load, block.procedure, rdma=bool(block.key[RDMA]))
    return replace(work, offered=offered)


def _plan(frame: "pd.DataFrame", prefix: str) -> PlanArray:
    return PlanArray(**{name: frame[f"{prefix}{name}"].to_numpy(dtype=np.float64) for name in AGG_PLAN})


def _agg_pool(frame: "pd.DataFrame") -> PoolRows:
    plan = _plan(frame, "")
    gpus = frame["num_gpus"].to_numpy(dtype=np.float64)
    replicas = np.where(np.isfinite(gpus), np.maximum(np.floor(gpus / plan.num_gpus), 1.0), 1.0)
    return PoolRows(plan=plan, workers=replicas)


def _role_pool(frame: "pd.DataFrame", role: str) -> PoolRows:
    return PoolRows(
        plan=_plan(frame, f"{role}_"),
        workers=frame[f"{role}_workers"].to_numpy(dtype=np.float64),
        slots=frame[SLOTS].to_numpy(dtype=np.float64) if role == "decode" else None,
    )
