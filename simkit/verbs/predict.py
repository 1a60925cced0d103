"""Predictions for a table of deployments: rows that share model, GPU, engine and formats go together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.intervals import Errors
from simkit.catalog.calibrations import error_models, measured_domain
from simkit.catalog.evidence import row_of_run
from simkit.catalog.runs import PROTOCOLS
from simkit.closed_form.deployment_table import RowWork, row_outcomes
from simkit.closed_form.estimates import errors_of, log_spreads
from simkit.closed_form.one_deployment import SingleEstimate, no_room
from simkit.closed_form.outcomes import Outcomes
from simkit.closed_form.problem import Footing, footing
from simkit.closed_form.user_calibration import RowFacts, with_own_runs
from simkit.core.errors import SimkitError
from simkit.core.estimate import LATENCIES
from simkit.core.user_calibration import OwnCalibration
from simkit.core.workload import Workload
from simkit.engines.engine_model import EngineModel
from simkit.explain.procedures import procedure_words
from simkit.io.threads import one_thread
from simkit.verbs.deployment_rows import block_work, blocks, complete_table, engine_model_of, row_faults

if TYPE_CHECKING:
    import pandas as pd

OUTPUT = (
    "predicted_ttft_ms_mean", "predicted_ttft_ms_lo", "predicted_ttft_ms_hi",
    "predicted_itl_ms_mean", "predicted_itl_ms_lo", "predicted_itl_ms_hi",
    "predicted_output_tokens_per_s_per_gpu",
)  # fmt: skip

# What else is known of every row, for those who sweep and select.
EXTRA = (
    "predicted_e2e_ms_mean", "predicted_output_tokens_per_s", "predicted_tokens_per_s_per_user",
    "predicted_request_rate_per_s", "predicted_concurrency", "predicted_num_gpus",
    "predicted_kv_capacity_tokens", "overloaded", "doubtful", "sla_probability",
)  # fmt: skip

_OVERLOADED = len(OUTPUT) + EXTRA.index("overloaded")

Adjust = Callable[[EngineModel], EngineModel]
KnownErrors = tuple[NDArray[np.bool_], Mapping[str, Errors]]  # which rows, and their errors by metric


def predict_table(
    frame: "pd.DataFrame", *, own: OwnCalibration | None = None, adjust: Adjust | None = None
) -> "pd.DataFrame":
    """One output row per input row, in order; rows that cannot be predicted say why in `error`.

    own: runs by which predictions are corrected. adjust changes every engine model before it is asked, for
    studies of what the parts are worth.
    """
    found = predicted_rows(frame, own=own, adjust=adjust)
    return found[["run_id", *OUTPUT, "in_domain", "error"]]


@one_thread()
def predicted_rows(
    frame: "pd.DataFrame", *, own: OwnCalibration | None = None, adjust: Adjust | None = None
) -> "pd.DataFrame":
    """The same with the columns of EXTRA; columns sla_ttft_ms, sla_itl_ms and sla_e2e_ms are bounds."""
    import pandas as pd

    table = complete_table(frame)
    numbers = np.full((len(table), len(OUTPUT) + len(EXTRA)), np.nan)
    errors, in_domain = row_faults(table), np.zeros(len(table), dtype=bool)
    usable = np.flatnonzero(errors == "")
    for block in blocks(table.iloc[usable], usable):
        try:
            model = engine_model_of(block)
            work = block_work(adjust(model) if adjust else model, block)
            rests = _footing(work)
            found = _sharpened(own, block.frame, work, rests)
        except (SimkitError, ValueError, KeyError) as fault:
            errors[block.index] = str(fault.args[0] if fault.args else fault)
            continue
        in_domain[block.index] = rests.measured
        known = [(rows, errors_of(error_models(), **kind, told=bool(own))) for rows, kind in rests.parts()]
        numbers[block.index] = np.hstack(
            [_with_intervals(work, found, known), _extra(work, found), _chance(block.frame, found, known)]
        )
        errors[block.index] = _without_room(work)
    bad = np.flatnonzero((errors == "") & ~np.isfinite(numbers[:, : len(OUTPUT)]).all(axis=1))
    errors[bad] = "the model gave no finite number; check lengths and concurrency"
    endless = np.isin(np.arange(len(table)), bad) & (numbers[:, _OVERLOADED] > 0)
    errors[endless] = "overloaded: the offered rate cannot be sustained"
    numbers[errors != ""] = np.nan
    out = pd.DataFrame(numbers, columns=[*OUTPUT, *EXTRA])
    out.insert(0, "run_id", table["run_id"].to_numpy())
    out["in_domain"] = in_domain & (errors == "")
    out["error"] = errors
    return out


def _sharpened(own: OwnCalibration | None, frame: "pd.DataFrame", work: RowWork, rests: Footing) -> Outcomes:
    """What comes of the rows, as own runs suggest."""
    isl, osl = (frame[f"{name}_tokens"].to_numpy(dtype=np.float64) for name in ("isl", "osl"))
    facts = RowFacts(
        isl_tokens=isl,
        osl_tokens=osl,
        engine_gpus=work.pools[-1].plan.num_gpus,
        apart=work.mode == "disagg",
        offered=work.offered,
        rests=rests,
        errors=error_models(),
    )
    return with_own_runs(own, row_outcomes(work, corrected=True), facts)


def _extra(work: RowWork, found: Outcomes) -> FloatArray:
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    decode = work.pools[-1]
    lanes = decode.workers * decode.plan.attn_dp * decode.plan.pp
    with np.errstate(divide="ignore"):
        per_user = 1.0 / found.itl_s
    return np.column_stack([
        found.e2e_s * 1e3, found.requests_per_s * osl, per_user,
        found.requests_per_s, found.in_flight, work.num_gpus, decode.capacity.kv_capacity_tokens * lanes,
        found.saturated, found.doubtful,
    ])  # fmt: skip


def _footing(work: RowWork) -> Footing:
    """What the predictions of all rows rest on, arrays [rows]."""
    gpus = np.max([pool.plan.num_gpus for pool in work.pools], axis=0)
    return footing(work.model, measured_domain(), gpus, np.asarray(work.lengths.cached_tokens) + 0.0 * gpus)


def _chance(frame: "pd.DataFrame", found: Outcomes, known: Sequence[KnownErrors]) -> FloatArray:
    """Probability [rows, 1] that the bounds of columns sla_ttft_ms, ... hold for the means; NaN without any.

    Their errors are taken as independent, as in an estimate.
    """
    means = (found.ttft_s, found.itl_s, found.e2e_s)
    spreads = log_spreads(means, (found.ttft_log_sd, found.itl_log_sd))
    chance, bounded = np.ones(len(frame)), np.zeros(len(frame), dtype=bool)
    for metric, mean, spread in zip(LATENCIES, means, spreads, strict=True):
        bound = frame.get(f"sla_{metric}_ms")
        if bound is None:
            continue
        share = mean * 1e3 / bound.to_numpy(dtype=np.float64)  # of the bound: bounds differ by row
        asked = np.isfinite(bound.to_numpy(dtype=np.float64))
        for rows, errors in known:
            here = asked & rows
            chance[here] *= errors[metric].probability_below(share[here], 1.0, spread[here])
        bounded |= asked
    chance = np.where(found.saturated, 0.0, chance)
    return np.where(bounded, chance, np.nan)[:, None]


def _without_room(work: RowWork) -> np.ndarray:
    """Why an engine of a row cannot hold one request; empty where it can."""
    faults = np.full(len(work.concurrency), "", dtype=object)
    for pool in work.pools:
        for row in np.flatnonzero(pool.capacity.max_seqs < 1.0):
            plan = pool.plan.plan(int(row))
            faults[row] = no_room(work.model, plan, float(pool.capacity.kv_capacity_tokens[row]))
    return faults


def _with_intervals(work: RowWork, found: Outcomes, known: Sequence[KnownErrors]) -> FloatArray:
    columns = []
    for metric in ("ttft", "itl"):
        value: FloatArray = getattr(found, f"{metric}_s")
        unsure: FloatArray = getattr(found, f"{metric}_log_sd")
        low, high = np.empty_like(value), np.empty_like(value)
        for rows, errors in known:
            low[rows], high[rows] = errors[metric].interval(value[rows], log_sd=unsure[rows])
        columns += [value * 1e3, low * 1e3, high * 1e3]
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    return np.column_stack([*columns, found.requests_per_s * osl / work.num_gpus])


def with_measured_run(document: Mapping[str, Any], result: SingleEstimate) -> dict[str, Any]:
    """The document of an estimate, its nearest run as it was served and driven, beside its own prediction."""
    row = None if result.nearest is None else row_of_run(result.nearest)
    if row is None:
        return dict(document)
    return {
        **document,
        "nearest_run": {**document["nearest_run"], **_served(row), "predicted": _predicted(row)},
    }


def _served(row: Mapping[str, str]) -> dict[str, str]:
    named = [row[name].replace("bfloat", "bf") for name in ("gemm_dtype", "moe_dtype") if row[name]]
    formats = dict.fromkeys(named or [row["precision"]])
    load = Workload(
        isl_tokens=int(row["isl_tokens"]),
        osl_tokens=int(row["osl_tokens"]),
        concurrency=float(row["concurrency"]),
    )
    slots = PROTOCOLS.get(row["protocol"], PROTOCOLS["steady"]).requests_per_slot
    load = replace(load, requests_per_slot=None if slots is None else float(slots))
    return {
        "format": "/".join(formats),
        "version": row["backend_version"],
        "procedure": procedure_words(load),
    }


def _predicted(row: Mapping[str, str]) -> dict[str, float | None]:
    """What `predict` says of the run."""
    import pandas as pd

    given = {name: value or None for name, value in row.items()}
    out = predict_table(pd.DataFrame([given])).iloc[0]
    return {f"{name}_ms": float(out[f"predicted_{name}_ms_mean"]) for name in ("ttft", "itl")}
