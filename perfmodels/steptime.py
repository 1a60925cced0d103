"""How long one engine iteration takes, operator by operator."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.operators import Pass, forward_operators
from perfmodels.opspec import Operator
from perfmodels.pricing import Pricing, has_work, operator_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds by operator (all calls of a step together) and in all; arrays of one shape.

    Two entries are not operators: engine_host (scheduler, sampler) and launch_gaps (the GPU waiting
    for kernels that the host launches one by one).
    """

    by_operator: Mapping[str, FloatArray]
    total_s: FloatArray


def step_time(question: Pass, pricing: Pricing) -> StepTime:
    """Time of one step on one lane [s].

    Operators run one after the other, save those that engines run beside others (a shared expert
    beside the routed ones), of which only the exposed part counts. Empty steps take no time.
    """
    operators = forward_operators(question)
    by_name: dict[str, FloatArray] = {}
    for operator in operators:
        time = operator.count * operator_time_s(operator, pricing)
        by_name[operator.name] = by_name.get(operator.name, 0.0) + time
    decoding_only = np.asarray(question.step.prefill_tokens) == 0  # prompts fill the GPU on their own
    _hide_overlapped(by_name, operators, np.where(decoding_only, pricing.efficiency.overlap_frac, 0.0))
    by_name["launch_gaps"] = _launch_gaps_s(question, operators, by_name, pricing)
    by_name["engine_host"] = _host_s(question, pricing)
    total = np.zeros(np.broadcast_shapes(*(np.shape(value) for value in by_name.values())))
    for value in by_name.values():
        total = total + value
    return StepTime(by_operator=by_name, total_s=total)


def _hide_overlapped(
    by_name: dict[str, FloatArray], operators: list[Operator], overlap_frac: FloatArray
) -> None:
    """Shorten what runs beside something longer, by the share that engines hide."""
    beside: dict[str, set[str]] = {}
    for operator in operators:
        if operator.beside:
            beside.setdefault(operator.beside, set()).add(operator.name)
    for main, names in beside.items():
        aside = sum(by_name[name] for name in names)
        hidden = overlap_frac * np.minimum(aside, by_name.get(main, 0.0))
        exposed = 1.0 - hidden / np.where(aside > 0, aside, 1.0)
        by_name.update({name: by_name[name] * exposed for name in names})


def _launch_gaps_s(
    question: Pass, operators: list[Operator], by_name: Mapping[str, FloatArray], pricing: Pricing
) -> FloatArray:
    """What the GPU waits for launches: steps with prompt tokens are not captured as CUDA graphs."""
    launches = sum(operator.count * has_work(operator) for operator in operators)
    busy = sum(by_name.values(), np.zeros(()))
    gaps = np.maximum(launches * pricing.efficiency.eager_call_s - busy, 0.0)
    if not pricing.captured:
        return gaps
    return np.where(np.asarray(question.step.prefill_tokens) > 0, gaps, 0.0)


def _host_s(question: Pass, pricing: Pricing) -> FloatArray:
    tokens = np.asarray(question.step.tokens, dtype=np.float64)
    seqs = np.asarray(question.step.sampled, dtype=np.float64)
    time = pricing.efficiency.step_host_s + seqs * pricing.efficiency.seq_host_s
    return np.where(tokens > 0, time, 0.0)
