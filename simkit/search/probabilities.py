"""How likely each row of a table holds the SLA."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.estimates import errors_of, log_spreads, sla_probability
from simkit.closed_form.problem import Problem
from simkit.engines.engine_model import EngineModel
from simkit.search.candidate_table import Points


def chances(problem: Problem, model: EngineModel, points: Points) -> FloatArray:
    """Probability [rows] that every bound holds, as estimates show it; 1 without bounds, 0 where overloaded.

    Outside the measured domain errors are wider.
    """
    rests = problem.footing(model, points.engine_gpus)
    means = (points.ttft_s, points.itl_s, points.e2e_s)
    spreads = log_spreads(means, (points.ttft_log_sd, points.itl_log_sd))
    slo = problem.request.slo
    bounded = tuple(points.metric(f"{name}_s", slo.statistic_of(name)) for name in ("ttft", "itl", "e2e"))
    found = np.ones(len(points))
    for rows, kind in rests.parts():
        errors = errors_of(problem.errors, **kind, told=problem.request.own is not None)
        ttft, itl, e2e = (value[rows] for value in bounded)
        unsure = (spreads[0][rows], spreads[1][rows], spreads[2][rows])
        with np.errstate(invalid="ignore"):
            chance = sla_probability((ttft, itl, e2e), slo, errors, unsure)
        if chance is None:
            return found
        found[rows] = chance
    sustained: FloatArray = np.where((points.saturated > 0) | np.isnan(found), 0.0, found)
    return sustained
