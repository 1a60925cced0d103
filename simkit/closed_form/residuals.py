"""Where a deployment stands among measured ones, and what that says about its prediction."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.shape import ModelShape
from perfmodels.parallel import PlanArray
from perfmodels.uncertainty.residual_gp import Levels
from simkit.closed_form.aggregated_loop import LoopTimes, prefill_share
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.step_work import BATCH_GRID
from simkit.core.workload import Lengths
from simkit.engines.engine_memory import version_numbers
from simkit.engines.engine_model import METRICS, EngineModel, NearestRun, Residuals


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Multipliers of predicted latencies and the standard deviation of their logs; arrays of one shape."""

    ttft_factor: FloatArray
    itl_factor: FloatArray
    ttft_log_sd: FloatArray
    itl_log_sd: FloatArray


def family_of(shape: ModelShape) -> str:
    """A name for all models of one architecture, whatever they were trained on."""
    experts = max((getattr(group, "num_experts", 0) for group in shape.ffn), default=0)
    return f"{shape.architecture_class}-{shape.hidden_size}x{shape.num_layers}x{experts}"


def levels_of(model: EngineModel, mode: str) -> Levels:
    """The groups a deployment belongs to; mode is agg or disagg."""
    family, backend, gpu = family_of(model.shape), model.engine.backend, model.device.name
    version = "unknown"
    if model.engine.version:
        version = ".".join(str(number) for number in version_numbers(model.engine.version))
    formats = f"{model.precision.gemm}/{model.precision.moe}"
    here = f"{family}|{backend}|{mode}"
    return {
        "gpu": f"{backend}|{gpu}|{mode}",
        "family": family,
        "engine": here,
        "engine_gpu": f"{here}|{gpu}",
        "format": f"{here}|{gpu}|{formats}",
        "version": f"{here}|{version}",
        "deployment": f"{here}|{gpu}|{formats}|{version}",
    }


def features_of(plan: PlanArray, lengths: Lengths, load: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Dimensionless features [..., 7]; load is (sequences per lane, prefill share of time).

    One unit of each is about the distance at which two runs stop resembling each other.
    """

    def log2(value: FloatLike) -> FloatArray:
        return np.log2(np.asarray(value, dtype=np.float64))

    columns = (
        log2(load[0]) / 2.2,
        log2(lengths.isl_tokens) / 1.5,
        log2(lengths.osl_tokens) / 1.5,
        log2(plan.tp * plan.attn_dp) / 1.5,
        (plan.ep > 1) * 1.0,
        (plan.attn_dp > 1) * 1.0,
        load[1] / 0.3,
    )
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def correction(residuals: Residuals, levels: Levels, features: FloatArray) -> Correction:
    """What the measured runs nearest to `features` [..., d] say."""
    flat = features.reshape(-1, features.shape[-1])
    shape = features.shape[:-1]
    factors, spreads = {}, {}
    for name in METRICS:
        near = residuals.models[name].at(levels)
        factors[name] = np.exp(-near.mean(flat)).reshape(shape)
        spreads[name] = np.sqrt(near.variance(flat) + residuals.noise[name]).reshape(shape)
    return Correction(
        ttft_factor=factors["ttft"],
        itl_factor=factors["itl"],
        ttft_log_sd=spreads["ttft"],
        itl_log_sd=spreads["itl"],
    )


def nearest_run(residuals: Residuals, levels: Levels, features: FloatArray) -> NearestRun | None:
    """The measured run most like a question at `features` [d]; None where none shares anything."""
    alike = residuals.models["itl"].resemblance(levels, features)
    best = int(np.argmax(alike))
    if alike[best] <= 0:
        return None
    runs = residuals.runs
    return NearestRun(
        label=runs.labels[best],
        ttft_s=float(runs.ttft_s[best]),
        itl_s=float(runs.itl_s[best]),
        resemblance=float(alike[best]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionTable:
    """Corrections of every plan over BATCH_GRID [rows, grid]; between its points linear in log batch."""

    values: Correction

    def apply(self, loop: LoopTimes, rows: np.ndarray, osl_tokens: FloatLike) -> LoopTimes:
        """Latencies of `loop` [n, loads] corrected; rows [n] says which plan each row has."""
        held = np.clip(loop.batch, BATCH_GRID[0], BATCH_GRID[-1])
        right = np.clip(np.searchsorted(BATCH_GRID, held), 1, len(BATCH_GRID) - 1)
        share = np.log(held / BATCH_GRID[right - 1]) / np.log(BATCH_GRID[right] / BATCH_GRID[right - 1])

        def at(table: FloatArray) -> FloatArray:
            below, above = table[rows[:, None], right - 1], table[rows[:, None], right]
            value: FloatArray = below + share * (above - below)
            return value

        values = self.values
        found = Correction(
            ttft_factor=at(values.ttft_factor),
            itl_factor=at(values.itl_factor),
            ttft_log_sd=at(values.ttft_log_sd),
            itl_log_sd=at(values.itl_log_sd),
        )
        return corrected(loop, found, osl_tokens)


def corrected(loop: LoopTimes, found: Correction, osl_tokens: FloatLike) -> LoopTimes:
    """Latencies times their factors; throughput follows by Little's law where the load is closed."""
    ttft, itl = loop.ttft_s * found.ttft_factor, loop.itl_s * found.itl_factor
    decodes = np.maximum(np.asarray(osl_tokens, dtype=np.float64) - 1.0, 0.0)
    decodes = decodes[:, None] if decodes.ndim else decodes
    before, after = loop.ttft_s + decodes * loop.itl_s, ttft + decodes * itl
    with np.errstate(invalid="ignore"):
        pace = np.where(np.isfinite(after), before / after, 1.0)
    return replace(
        loop,
        ttft_s=ttft,
        itl_s=itl,
        requests_per_s=loop.requests_per_s if loop.offered else loop.requests_per_s * pace,
        ttft_log_sd=found.ttft_log_sd,
        itl_log_sd=found.itl_log_sd,
    )


def correction_table(
    model: EngineModel, mode: str, times: PhaseTimes, lengths: Lengths
) -> CorrectionTable | None:
    """Corrections for every plan of `times`, the one that decodes; None where nothing is known."""
    if model.residuals is None:
        return None
    batch = np.broadcast_to(BATCH_GRID, times.decode_s.shape)
    share = prefill_share(times, batch, lengths) if mode == "agg" else np.zeros(batch.shape)
    features = features_of(times.plan.expand(), _column(lengths), (batch, share))
    return CorrectionTable(values=correction(model.residuals, levels_of(model, mode), features))


def _column(lengths: Lengths) -> Lengths:
    def expanded(value: FloatLike) -> FloatLike:
        array = np.asarray(value, dtype=np.float64)
        return array[:, None] if array.ndim else array

    return Lengths(isl_tokens=expanded(lengths.isl_tokens), osl_tokens=expanded(lengths.osl_tokens))
