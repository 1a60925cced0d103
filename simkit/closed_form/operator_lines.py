"""Where the time of one engine step goes, operator by operator."""

from dataclasses import dataclass

import numpy as np

from perfmodels.op_times.pricing import source
from perfmodels.operators.forward import Pass, forward_operators
from perfmodels.parallel import PlanArray
from perfmodels.step import Step
from perfmodels.steptime import LIMIT, StepTime, step_time
from simkit.core.deployment import Pool
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
    """One operator's share of a step: all its calls together, on one GPU.

    source says where its time comes from: "measured" (a table of this GPU, engine and format covers its
    sizes), "share of peak", what stands in for a missing table, or "host".
    """

    phase: str
    operator: str
    family: str
    time_s: float
    share: float
    flop: float
    hbm_bytes: float
    wire_bytes: float
    source: str = ""


def operator_lines(phase: str, model: EngineModel, pool: Pool, step: Step) -> list[OperatorLine]:
    """The operators of a step, those that take longest first."""
    question = Pass(shape=model.shape, precision=model.precision, plan=PlanArray.of([pool.plan]), step=step)
    times = step_time(question, model.pricing)
    work: dict[str, list[float]] = {}
    labels = dict.fromkeys(("engine_host", "launch_gaps"), ("host", "host"))
    labels[LIMIT] = ("roofline", "speed of light")
    for operator in forward_operators(question):
        labels[operator.name] = (operator.family, source(operator, model.pricing) or "measured")
        amounts = (operator.flop, operator.hbm_bytes, operator.wire_bytes)
        sums = work.setdefault(operator.name, [0.0, 0.0, 0.0])
        for index, amount in enumerate(amounts):
            sums[index] += operator.count * float(np.max(np.asarray(amount)))
    lines = [
        _line((phase, name, *labels[name]), times, work.get(name, [0.0, 0.0, 0.0]))
        for name in times.by_operator
    ]
    return sorted((line for line in lines if line.time_s > 0), key=lambda line: -line.time_s)


def _line(label: tuple[str, str, str, str], times: StepTime, work: list[float]) -> OperatorLine:
    phase, name, family, origin = label
    time = float(np.max(times.by_operator[name]))
    return OperatorLine(
        phase=phase,
        operator=name,
        family=family,
        time_s=time,
        share=time / float(times.total_s.max()),
        flop=work[0],
        hbm_bytes=work[1],
        wire_bytes=work[2],
        source=origin,
    )
