"""Predictions for a table of deployments: rows that share model, GPU, engine and formats go together."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.catalog.calibrations import error_models, measured_domain
from simkit.closed_form.deployment_table import RowWork, row_outcomes
from simkit.closed_form.estimates import errors_of
from simkit.closed_form.one_deployment import no_room
from simkit.closed_form.outcomes import Outcomes
from simkit.closed_form.problem import is_measured
from simkit.core.errors import SimkitError
from simkit.engines.engine_model import EngineModel
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
    "predicted_kv_capacity_tokens", "predicted_ttft_log_sd", "predicted_itl_log_sd", "overloaded", "doubtful",
)  # fmt: skip

_OVERLOADED = len(OUTPUT) + EXTRA.index("overloaded")

Adjust = Callable[[EngineModel], EngineModel]


def predict_table(frame: "pd.DataFrame", *, adjust: Adjust | None = None) -> "pd.DataFrame":
    """One output row per input row, in order; rows that cannot be predicted say why in `error`.

    adjust changes every engine model before it is asked, for studies of what the parts are worth.
    """
    found = predicted_rows(frame, adjust=adjust)
    return found[["run_id", *OUTPUT, "in_domain", "error"]]


@one_thread()
def predicted_rows(frame: "pd.DataFrame", *, adjust: Adjust | None = None) -> "pd.DataFrame":
    """The same with the columns of EXTRA. adjust may refuse a model by an InputError."""
    import pandas as pd

    table = complete_table(frame)
    numbers = np.full((len(table), len(OUTPUT) + len(EXTRA)), np.nan)
    errors, in_domain = row_faults(table), np.zeros(len(table), dtype=bool)
    usable = np.flatnonzero(errors == "")
    for block in blocks(table.iloc[usable], usable):
        try:
            model = engine_model_of(block)
            work = block_work(adjust(model) if adjust else model, block)
            found = row_outcomes(work, corrected=True)
        except (SimkitError, ValueError, KeyError) as fault:
            errors[block.index] = str(fault.args[0] if fault.args else fault)
            continue
        measured = is_measured(model, measured_domain())
        in_domain[block.index] = measured
        numbers[block.index] = np.hstack(
            [_with_intervals(work, found, measured=measured), _extra(work, found)]
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


def _extra(work: RowWork, found: Outcomes) -> FloatArray:
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    decode = work.pools[-1]
    lanes = decode.workers * decode.plan.attn_dp * decode.plan.pp
    with np.errstate(divide="ignore"):
        per_user = 1.0 / found.itl_s
    return np.column_stack([
        found.e2e_s * 1e3, found.requests_per_s * osl, per_user,
        found.requests_per_s, found.in_flight, work.num_gpus, decode.capacity.kv_capacity_tokens * lanes,
        found.ttft_log_sd, found.itl_log_sd, found.saturated, found.doubtful,
    ])  # fmt: skip


def _without_room(work: RowWork) -> np.ndarray:
    """Why an engine of a row cannot hold one request; empty where it can."""
    faults = np.full(len(work.concurrency), "", dtype=object)
    for pool in work.pools:
        for row in np.flatnonzero(pool.capacity.max_seqs < 1.0):
            plan = pool.plan.plan(int(row))
            faults[row] = no_room(work.model, plan, float(pool.capacity.kv_capacity_tokens[row]))
    return faults


def _with_intervals(work: RowWork, found: Outcomes, *, measured: bool) -> FloatArray:
    models = errors_of(error_models(), work.model, in_domain=measured)
    columns = []
    for metric in ("ttft", "itl"):
        value: FloatArray = getattr(found, f"{metric}_s")
        low, high = models[metric].interval(value, log_sd=getattr(found, f"{metric}_log_sd"))
        columns += [value * 1e3, low * 1e3, high * 1e3]
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    return np.column_stack([*columns, found.requests_per_s * osl / work.num_gpus])
