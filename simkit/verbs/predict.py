"""Predictions for a table of deployments: rows that share model, GPU, engine and formats go together."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.parallel import PlanArray
from simkit.catalog.calibrations import efficiency, error_models, measured_domain, shipped_residuals
from simkit.catalog.gpus import gpu
from simkit.catalog.models import Model, load_model
from simkit.catalog.operators import learned_times
from simkit.catalog.runs import AGG_PLAN, OPTIONS, PROTOCOLS, resolve_options
from simkit.closed_form.aggregated_loop import Procedure
from simkit.closed_form.deployment_table import (
    PoolRows,
    RowTimes,
    RowWork,
    row_times,
    row_work,
    with_correction,
)
from simkit.closed_form.residuals import correction, features_of, levels_of
from simkit.core.engine import default_engine
from simkit.core.errors import SimkitError
from simkit.core.workload import mean_lengths
from simkit.engines.engine_model import EngineModel
from simkit.io.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

OUTPUT = (
    "predicted_ttft_ms_mean", "predicted_ttft_ms_lo", "predicted_ttft_ms_hi",
    "predicted_itl_ms_mean", "predicted_itl_ms_lo", "predicted_itl_ms_hi",
    "predicted_output_tokens_per_s_per_gpu",
)  # fmt: skip

_GROUP = ("model", "gpu", "backend", "backend_version", "precision", "gemm_dtype", "moe_dtype", "mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """Rows predicted in one go: what they share, where they stand in the table, the rows."""

    key: dict[str, Any]
    index: np.ndarray
    frame: "pd.DataFrame"
    procedure: Procedure


Adjust = Callable[[EngineModel], EngineModel]


@one_thread()
def predict_table(frame: "pd.DataFrame", *, adjust: Adjust | None = None) -> "pd.DataFrame":
    """One output row per input row, in order; rows that cannot be predicted say why in `error`.

    adjust changes every engine model before it is asked, for studies of what the parts are worth.
    """
    import pandas as pd

    table = complete_table(frame)
    out = pd.DataFrame({name: np.full(len(table), np.nan) for name in OUTPUT})
    errors = _row_faults(table)
    in_domain = np.zeros(len(table), dtype=bool)
    usable = np.flatnonzero(errors == "")
    for block in blocks(table.iloc[usable], usable):
        try:
            model = engine_model_of(block.key)
            model = adjust(model) if adjust else model
            times, spread = corrected_times(model, block)
        except (SimkitError, ValueError, KeyError) as fault:
            errors[block.index] = str(fault.args[0] if fault.args else fault)
            continue
        measured = _is_measured(block.key)
        out.iloc[block.index, :] = _with_intervals(times, spread, measured=measured)
        in_domain[block.index] = times.fits & measured
        errors[block.index[times.weights_share >= 1.0]] = (
            "the weights do not fit the GPUs; raise tp, pp, ep or take a quantised checkpoint"
        )
    out.iloc[np.flatnonzero(errors != ""), :] = np.nan
    bad = np.flatnonzero((errors == "") & ~np.isfinite(out.to_numpy()).all(axis=1))
    errors[bad] = "the model gave no finite number; check lengths and concurrency"
    out.iloc[bad, :] = np.nan
    out.insert(0, "run_id", table["run_id"].to_numpy())
    out["in_domain"] = in_domain & (errors == "")
    out["error"] = errors
    return out


def complete_table(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The table with optional columns with their defaults, numbers as numbers."""
    import pandas as pd

    table = frame.reset_index(drop=True).copy()
    for name in _GROUP:
        table[name] = table[name].astype("object") if name in table else None
        table[name] = table[name].where(table[name].notna(), None)
    table["mode"] = table["mode"].fillna("agg")
    table["run_id"] = table["run_id"] if "run_id" in table else [f"row-{i}" for i in range(len(table))]
    plans = [f"{role}_{name}" for role in ("prefill", "decode") for name in (*AGG_PLAN, "workers")]
    for name in (*AGG_PLAN, *plans):
        table[name] = pd.to_numeric(table[name], errors="coerce").fillna(1.0) if name in table else 1.0
    for name in ("isl_tokens", "osl_tokens", "concurrency", "num_gpus", "requests_per_slot", "length_spread"):
        table[name] = pd.to_numeric(table[name], errors="coerce") if name in table else np.nan
    protocol = table["protocol"].astype("object") if "protocol" in table else None
    table["protocol"] = protocol.where(protocol.notna(), "steady") if protocol is not None else "steady"
    return resolve_options(table)


def _row_faults(table: "pd.DataFrame") -> np.ndarray:
    """A reason for each row that lacks what a prediction needs, else an empty string."""
    faults = np.full(len(table), "", dtype=object)
    for name in ("isl_tokens", "osl_tokens", "concurrency"):
        values = table[name].to_numpy()
        faults[~((values > 0) & (values < 1e9))] = f"{name} must be a positive number below 1e9"
    waves, spread = table["requests_per_slot"].to_numpy(), table["length_spread"].to_numpy()
    faults[np.isfinite(waves) & (waves <= 0)] = "requests_per_slot must be positive"
    faults[np.isfinite(spread) & ~((spread >= 0) & (spread < 1))] = "length_spread must be in [0, 1)"
    for name in ("model", "gpu", "backend"):
        faults[table[name].isna().to_numpy()] = f"{name} is empty"
    unknown = ~table["mode"].isin(["agg", "disagg"]).to_numpy()
    faults[unknown] = "mode must be agg or disagg"
    odd = ~table["protocol"].isin(list(PROTOCOLS)).to_numpy()
    faults[odd] = (
        f"protocol must be one of {', '.join(PROTOCOLS)}; or give requests_per_slot and length_spread"
    )
    for role in ("", "prefill_", "decode_"):
        tp, dp, moe_tp, ep = (table[f"{role}{name}"].to_numpy() for name in ("tp", "attn_dp", "moe_tp", "ep"))
        uneven = (moe_tp * ep > 1) & (tp * dp != moe_tp * ep)
        faults[uneven] = f"{role}tp*attn_dp must equal {role}moe_tp*ep"
        sizes = np.stack([tp, dp, moe_tp, ep])
        faults[((sizes < 1) | (sizes != np.floor(sizes))).any(axis=0)] = (
            f"{role}tp, attn_dp, moe_tp and ep must be whole numbers of at least 1"
        )
    return faults


def blocks(table: "pd.DataFrame", rows: np.ndarray) -> Iterator[TableBlock]:
    """Split by everything but plans, lengths and load."""
    import pandas as pd

    columns = [*_GROUP, "protocol", "requests_per_slot", "length_spread", *OPTIONS]
    keys: list[tuple[Hashable, ...]] = [
        tuple("" if pd.isna(value) else value for value in row)
        for row in table[columns].itertuples(index=False, name=None)
    ]
    members: dict[tuple[Hashable, ...], list[int]] = {}
    for position, key in enumerate(keys):
        members.setdefault(key, []).append(position)
    for key, positions in members.items():
        values = dict(zip(columns, key, strict=True))
        yield TableBlock(
            key=values,
            index=rows[positions],
            frame=table.iloc[positions],
            procedure=_procedure(values),
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


def block_precision(key: dict[str, Any], model: Model) -> Precision:
    """Formats of a row: what it states, read as the name of the checkpoint's scheme, else as stored.

    Published 4-bit checkpoints of mixtures of experts store the experts so and keep attention in 16
    bits; "fp8" of a checkpoint that is stored in blocks means those blocks.
    """
    stored, named = model.precision, str(key.get("precision") or "")
    whole = {"fp4": "nvfp4", "int4": "int4_wo"}.get(named, named)
    moe = _scheme(str(key.get("moe_dtype") or whole or stored.moe), stored.moe)
    gemm = _scheme(str(key.get("gemm_dtype") or whole or stored.gemm), stored.gemm)
    experts_only = model.shape.is_moe and dtype(moe).bytes_per_element < 1.0
    gemm = "bf16" if gemm == "mxfp4" or experts_only else gemm
    return Precision(gemm=gemm, moe=moe, kv=_cache_format(key, moe, stored.kv))


def _scheme(named: str, stored: str) -> str:
    return stored if named == "fp8" and stored == "fp8_block" else named


def _cache_format(key: dict[str, Any], moe: str, stored: str) -> str:
    """Runs do not record it. Benchmarks of quantised checkpoints keep the cache in FP8 (with 16 bits
    several measured runs could not have held their load); MXFP4 ones do not, nor does SGLang on GPUs
    before Blackwell, whose FP8 decode kernels are several times slower than the 16-bit ones.
    """
    quantised = dtype(moe).bytes_per_element <= 1.01 and str(key.get("precision")) != "mxfp4"
    slow = key["backend"] == "sglang" and "fp4" not in _known_gpu(str(key["gpu"])).peak_flop_per_s
    return "fp8" if quantised and not slow else stored


def _is_measured(key: dict[str, Any]) -> bool:
    kind = load_model(str(key["model"])).shape.architecture_class
    return (_known_gpu(str(key["gpu"])).name, str(key["backend"]), kind) in measured_domain()


def engine_model_of(key: dict[str, Any]) -> EngineModel:
    """The engine model of a block, with the shipped factors and residuals."""
    return replace(
        unfitted_model_of(key), efficiency=efficiency(str(key["backend"])), residuals=shipped_residuals()
    )


def unfitted_model_of(key: dict[str, Any]) -> EngineModel:
    """The engine model of a block with nothing learned from serving runs."""
    model = load_model(str(key["model"]))
    settings: dict[str, object] = {name: int(key[name]) for name in OPTIONS if key.get(name, "") != ""}
    if key.get("backend_version"):
        settings["version"] = str(key["backend_version"])
    return EngineModel(
        shape=model.shape,
        precision=block_precision(key, model),
        device=_known_gpu(str(key["gpu"])),
        engine=default_engine(str(key["backend"]), **settings),
        learned=learned_times(_known_gpu(str(key["gpu"])), str(key["backend"])),
    )


def block_times(model: EngineModel, block: TableBlock) -> RowTimes:
    """Latencies of a block's rows under one engine model."""
    return row_times(block_work(model, block))


def corrected_times(model: EngineModel, block: TableBlock) -> tuple[RowTimes, tuple[FloatArray, FloatArray]]:
    """Latencies as measured runs suggest, and the standard deviations of the logs of TTFT and ITL."""
    work = block_work(model, block)
    times = row_times(work)
    if model.residuals is None:
        return times, (np.ones_like(times.ttft_s), np.ones_like(times.itl_s))
    mode = str(block.key["mode"])
    share = times.prefill_share if mode == "agg" else np.zeros_like(times.batch)
    features = features_of(work.pools[-1].plan, work.lengths, (times.batch, share))
    found = correction(model.residuals, levels_of(model, mode), features)
    return with_correction(times, work, found), (found.ttft_log_sd, found.itl_log_sd)


def block_work(model: EngineModel, block: TableBlock) -> RowWork:
    """A block's rows before the engine's factors."""
    names = ("isl_tokens", "osl_tokens", "concurrency")
    isl, osl, concurrency = (block.frame[name].to_numpy(dtype=np.float64) for name in names)
    load = (mean_lengths(isl, osl, float(block.procedure.length_spread)), concurrency)
    pools = (
        (_agg_pool(block.frame),)
        if block.key["mode"] == "agg"
        else (_role_pool(block.frame, "prefill"), _role_pool(block.frame, "decode"))
    )
    return row_work(model, pools, load, block.procedure)


def _plan(frame: "pd.DataFrame", prefix: str) -> PlanArray:
    return PlanArray(**{name: frame[f"{prefix}{name}"].to_numpy(dtype=np.float64) for name in AGG_PLAN})


def _agg_pool(frame: "pd.DataFrame") -> PoolRows:
    plan = _plan(frame, "")
    gpus = frame["num_gpus"].to_numpy(dtype=np.float64)
    replicas = np.where(np.isfinite(gpus), np.maximum(np.floor(gpus / plan.num_gpus), 1.0), 1.0)
    return PoolRows(plan=plan, workers=replicas)


def _role_pool(frame: "pd.DataFrame", role: str) -> PoolRows:
    return PoolRows(
        plan=_plan(frame, f"{role}_"), workers=frame[f"{role}_workers"].to_numpy(dtype=np.float64)
    )


def _with_intervals(times: RowTimes, spread: tuple[FloatArray, FloatArray], *, measured: bool) -> FloatArray:
    models = error_models() if measured else {name: m.beyond() for name, m in error_models().items()}
    columns = []
    for metric, value, log_sd in zip(("ttft", "itl"), (times.ttft_s, times.itl_s), spread, strict=True):
        low, high = models[metric].interval(value, log_sd=log_sd)
        columns += [value * 1e3, low * 1e3, high * 1e3]
    return np.column_stack([*columns, times.output_tokens_per_s_per_gpu])
