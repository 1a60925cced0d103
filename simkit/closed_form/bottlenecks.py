"""What takes most of the time in each phase, and what a token costs."""

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
    tokens = min(isl, model.engine.max_num_batched_tokens)
    return _costliest(prefill_step(model, PlanArray.of([plan]), (tokens, isl / 2.0, 1.0)))


def decode_bottleneck(
    model: EngineModel, plan: ParallelPlan, lengths: tuple[float, float], batch: float
) -> str:
    """The costliest operator of a decode step of `batch` sequences a lane, and its share."""
    isl, osl = lengths
    return _costliest(decode_step(model, PlanArray.of([plan]), (batch, isl + osl / 2.0)))


def _costliest(step: StepTime) -> str:
    name = max(step.by_operator, key=lambda key: float(np.max(step.by_operator[key])))
    part = float(np.max(step.by_operator[name])) / float(step.total_s.max())
    return f"{name} ({part:.0%} of a step)"
