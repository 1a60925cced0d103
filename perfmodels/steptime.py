"""How long one engine iteration takes, operator by operator."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import SCALED, Efficiency
from perfmodels.op_times.families import kind_of
from perfmodels.op_times.grid import BoolArray
from perfmodels.op_times.pricing import Pricing, has_work, operator_light_s, operator_time_s
from perfmodels.operators.forward import forward_operators
from perfmodels.operators.record import Operator
from perfmodels.step import Pass

LIMIT = "speed_of_light"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds by operator (all calls of a step together) and in all; arrays of one shape.

    Three entries are not operators: engine_host (scheduler, sampler), launch_gaps (the GPU waiting for
    kernels that the host launches one by one) and speed_of_light (what the others fall short of it).
    """

    by_operator: Mapping[str, FloatArray]
    total_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """One step before an engine's factors: what every fit and search shares.

    by_operator: seconds of all calls of an operator as its table has it; kinds: which scale applies to
    it; launches: kernels of the step; least_s: the speed of light of all operators together, which no
    factor may undercut. Arrays of one shape.
    """

    by_operator: Mapping[str, FloatArray]
    kinds: Mapping[str, str]
    launches: FloatArray
    least_s: FloatArray

    def by_kind(self, shape: tuple[int, ...]) -> FloatArray:
        """Seconds by kind of operator: [len(SCALED), *shape]."""
        sums = np.zeros((len(SCALED), *shape))
        for name, value in self.by_operator.items():
            sums[SCALED.index(self.kinds[name])] += value
        return sums


def step_work(question: Pass, pricing: Pricing) -> StepWork:
    """The operators of one step of one lane.

    They run one after the other, save those that engines run beside others (a shared expert beside the
    routed ones), of which only the exposed part counts.
    """
    operators = forward_operators(question)
    by_name: dict[str, FloatArray] = {}
    for operator in operators:
        time = operator.count * operator_time_s(operator, pricing)
        by_name[operator.name] = by_name.get(operator.name, 0.0) + time
    decoding_only = np.asarray(question.step.prefill_tokens) == 0  # prompts fill the GPU on their own
    _hide_overlapped(by_name, operators, np.where(decoding_only, pricing.efficiency.overlap_frac, 0.0))
    launches: FloatArray = np.asarray(sum(operator.count * has_work(operator) for operator in operators))
    kinds = {operator.name: kind_of(operator.family) for operator in operators}
    least: FloatArray = np.asarray(sum(o.count * operator_light_s(o, pricing.device) for o in operators))
    return StepWork(by_operator=by_name, kinds=kinds, launches=launches, least_s=least)


def prefill_gaps_s(busy_s: FloatArray, launches: FloatArray, efficiency: Efficiency) -> FloatArray:
    """What the GPU waits for launches in a step that is no CUDA graph [s]."""
    return np.maximum(launches * efficiency.eager_call_s - busy_s, 0.0)


def step_time(question: Pass, pricing: Pricing) -> StepTime:
    """Time of one step on one lane [s].

    A step with prompts and decodes takes the decodes' time and stall_frac of what the prompts add: their
    own time less that of a single token, since weights are read once for all. Empty steps take no time.
    """
    step = question.step
    prompts, decodes = np.asarray(step.prefill_tokens) > 0, np.asarray(step.decode_seqs) > 0
    if not np.any(prompts & decodes):
        return _pure(question, pricing, prompts)
    nothing = replace(step, prefill_tokens=0.0, prefill_context_tokens=0.0, prefill_seqs=0.0)
    alone = replace(step, decode_seqs=0.0, decode_context_tokens=0.0)
    decode = _pure(replace(question, step=nothing), pricing, np.zeros_like(prompts))
    prefill = _pure(replace(question, step=alone), pricing, prompts)
    token = replace(alone, prefill_tokens=1.0, prefill_context_tokens=1.0, prefill_seqs=1.0)
    floor = _pure(replace(question, step=token), pricing, np.ones_like(prompts))
    both = decodes & prompts
    share = np.where(decodes, pricing.efficiency.stall_frac, 1.0)
    by_name = {}
    for name in {**decode.by_operator, **prefill.by_operator}:
        whole, least = prefill.by_operator.get(name, 0.0), floor.by_operator.get(name, 0.0)
        added = np.maximum(whole - np.where(both, least, 0.0), 0.0)
        by_name[name] = decode.by_operator.get(name, 0.0) + share * added
    return StepTime(by_operator=by_name, total_s=sum(by_name.values(), np.zeros(())))


def _pure(question: Pass, pricing: Pricing, prompts: BoolArray) -> StepTime:
    efficiency = pricing.efficiency
    work = step_work(question, pricing)
    whole = np.where(prompts, efficiency.prefill_scale, 1.0)
    by_name = {
        name: time * efficiency.scale(work.kinds[name]) * whole for name, time in work.by_operator.items()
    }
    busy = sum(by_name.values(), np.zeros(()))
    by_name[LIMIT] = np.maximum(work.least_s - busy, 0.0)
    busy = np.maximum(busy, work.least_s)
    gaps = prefill_gaps_s(busy, work.launches, efficiency)
    by_name["launch_gaps"] = np.where(prompts, gaps, 0.0) if pricing.captured else gaps
    by_name["engine_host"] = _host_s(question, pricing, prompts)
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


def _host_s(question: Pass, pricing: Pricing, prompts: BoolArray) -> FloatArray:
    tokens = np.asarray(question.step.tokens, dtype=np.float64)
    seqs = np.asarray(question.step.prefill_seqs + question.step.decode_seqs, dtype=np.float64)
    decode = pricing.efficiency.step_host_s + seqs * pricing.efficiency.seq_host_s
    time = np.where(prompts, pricing.efficiency.prefill_step_s, decode)
    return np.where(tokens > 0, time, 0.0)
