"""What takes most of the time in each phase, and what a token costs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.steptime import StepTime
from simkit.closed_form.engine_speed import decode_step, prefill_step
from simkit.closed_form.problem import Problem
from simkit.core.cost import cost_per_million_tokens
from simkit.core.estimate import Estimate
from simkit.engines.engine_model import EngineModel

PREFILL_DECIDES = 0.5  # share of the time from which a prefill step names the bottleneck


def with_costs(problem: Problem, model: EngineModel, estimate: Estimate) -> Estimate:
    """The estimate with its price per token, and with the energy that rated power bounds."""
    per_s = estimate.output_tokens_per_s_per_gpu
    if not per_s > 0:
        return estimate
    price, power_w = problem.request.gpu_hour_price, model.device.tdp_w
    return replace(
        estimate,
        cost_per_million_output_tokens=None if price is None else cost_per_million_tokens(price, per_s),
        max_energy_j_per_output_token=None if power_w is None else power_w / per_s,
    )


def prefill_bottleneck(model: EngineModel, plan: ParallelPlan, isl: float) -> str:
    """The costliest operator of a prefill step and its share."""
    return prefill_bottlenecks(model, [plan], isl)[0]


def decode_bottleneck(
    model: EngineModel, plan: ParallelPlan, lengths: tuple[float, float], batch: float
) -> str:
    """The costliest operator of a decode step of `batch` sequences a lane, and its share."""
    return decode_bottlenecks(model, [plan], lengths, [batch])[0]


def prefill_bottlenecks(model: EngineModel, plans: Sequence[ParallelPlan], isl: float) -> list[str]:
    """As prefill_bottleneck, of many plans at once."""
    tokens = min(isl, model.engine.max_num_batched_tokens)
    return _costliest(prefill_step(model, PlanArray.of(plans), (tokens, isl / 2.0, 1.0)), len(plans))


def decode_bottlenecks(
    model: EngineModel,
    plans: Sequence[ParallelPlan],
    lengths: tuple[float, float],
    batches: Sequence[float],
) -> list[str]:
    """As decode_bottleneck, of many plans at once, each with its own batch."""
    isl, osl = lengths
    step = decode_step(model, PlanArray.of(plans), (np.asarray(batches, np.float64), isl + osl / 2.0))
    return _costliest(step, len(plans))


def _costliest(step: StepTime, rows: int) -> list[str]:
    names = list(step.by_operator)
    times = np.stack([np.broadcast_to(step.by_operator[name], rows) for name in names])
    costliest = np.argmax(times, axis=0)
    shares = times[costliest, np.arange(rows)] / np.broadcast_to(step.total_s, rows)
    return [f"{names[which]} ({share:.0%} of a step)" for which, share in zip(costliest, shares, strict=True)]
