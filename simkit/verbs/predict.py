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

Adjust = Callable[[EngineModel], EngineModel]


@one_thread()
def predict_table(frame: "pd.DataFrame", *, adjust: Adjust | None = None) -> "pd.DataFrame":
    """One output row per input row, in order; rows that cannot be predicted say why in `error`.

    adjust changes every engine model before it is asked, for studies of what the parts are worth.
    """
    import pandas as pd

    table = complete_table(frame)
    out = pd.DataFrame({name: np.full(len(table), np.nan) for name in OUTPUT})
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
        out.iloc[block.index, :] = _with_intervals(work, found, measured=measured)
        errors[block.index] = _without_room(work)
    bad = np.flatnonzero((errors == "") & ~np.isfinite(out.to_numpy()).all(axis=1))
    errors[bad] = "the model gave no finite number; check lengths and concurrency"
    out.iloc[np.flatnonzero(errors != ""), :] = np.nan
    out.insert(0, "run_id", table["run_id"].to_numpy())
    out["in_domain"] = in_domain & (errors == "")
    out["error"] = errors
    return out


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
