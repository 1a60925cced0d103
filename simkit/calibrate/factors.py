"""Factors of each engine from measured runs: robust least squares, pulled towards plain defaults."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from simkit.calibrate.training import Part, TrainingRuns, part_times

# Runs of one model err alike: they tell less about a scale than as many independent ones. So each prior
# counts as several; how many was chosen by leaving families of models out.
STEP_PULL, HOST_PULL = 10.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Where a factor is expected, how far (in logs) it may stray, and how often this counts."""

    value: float
    spread: float
    pull: float


def _step(value: float, spread: float) -> Prior:
    return Prior(value=value, spread=spread, pull=STEP_PULL)


def _host(value: float, spread: float) -> Prior:
    return Prior(value=value, spread=spread, pull=HOST_PULL)


# Scales of tables are near one, and the rest of a step differs little between engines; what surrounds a
# prompt is known by its order of magnitude only.
PRIORS: Mapping[str, Prior] = {
    "gemm_scale": _step(1.0, 0.2),
    "moe_scale": _step(1.0, 0.2),
    "attention_scale": _step(1.0, 0.2),
    "comm_scale": _step(1.0, 0.3),
    "elementwise_scale": _step(1.0, 0.3),
    "prefill_scale": _host(1.1, 0.3),
    "stall_frac": _step(0.85, 0.2),
    "step_host_s": _step(5e-4, 0.8),
    "seq_host_s": _step(3e-6, 0.8),
    "prefill_step_s": _host(1e-3, 0.8),
    "layer_host_s": _host(3e-4, 0.8),
    "expert_host_s": _host(2e-4, 1.0),
    "request_host_s": _host(1.5e-2, 0.8),
    "request_token_s": _host(5e-6, 1.0),
    "request_serial_s": _host(1e-3, 1.0),
    "admission_steps": _host(1.0, 0.5),
    "wave_frac": _host(0.5, 0.5),
}
# Residual scales: about the noise that can be explained; beyond it rows count less and less.
ITL_SCALE, TTFT_SCALE = 0.06, 0.15
_MAX_EVALUATIONS = 40
_CENTRE = np.array([math.log(prior.value) for prior in PRIORS.values()])
_SPREAD = np.array([prior.spread for prior in PRIORS.values()])
PULL = np.array([prior.pull for prior in PRIORS.values()])
_REACH = 3.0  # spreads beyond which a factor would be nonsense


def to_factors(logs: FloatArray) -> Efficiency:
    """Factors from their logs, in the order of PRIORS."""
    return Efficiency(**{name: float(np.exp(value)) for name, value in zip(PRIORS, logs, strict=True)})


def to_logs(factors: Efficiency) -> FloatArray:
    """The inverse of to_factors."""
    return np.array([math.log(getattr(factors, name)) for name in PRIORS])


def fit_factors(runs: TrainingRuns, train: np.ndarray, pull: FloatArray = PULL) -> dict[str, Efficiency]:
    """Factors by engine from the runs marked in `train`; pull says how often each prior counts."""
    backends = sorted({part.backend for part in runs.parts})
    return {backend: fit_engine(runs, backend, train, pull=pull) for backend in backends}


def fit_engine(
    runs: TrainingRuns,
    backend: str,
    train: np.ndarray,
    start: Efficiency | None = None,
    pull: FloatArray = PULL,
) -> Efficiency:
    """Factors of one engine; start speeds up fits that hardly differ."""
    parts = [part for part in runs.parts if part.backend == backend]

    def residuals(logs: FloatArray) -> FloatArray:
        factors = to_factors(logs)
        rows = [_part_residuals(runs, part, factors, train) for part in parts]
        return np.concatenate([*rows, pull * (logs - _CENTRE) / _SPREAD])

    lower, upper = _CENTRE - _REACH * _SPREAD, _CENTRE + _REACH * _SPREAD
    first = _CENTRE if start is None else np.clip(to_logs(start), lower + 1e-9, upper - 1e-9)
    found = least_squares(residuals, first, bounds=(lower, upper), max_nfev=_MAX_EVALUATIONS)
    return to_factors(found.x)


def _part_residuals(runs: TrainingRuns, part: Part, factors: Efficiency, train: np.ndarray) -> FloatArray:
    times, rows = part_times(part, factors), part.index
    used = train[rows]
    root = np.sqrt(runs.weight[rows][used])
    itl = np.log(times.itl_s / runs.itl_s[rows])[used] / ITL_SCALE
    ttft = np.log(times.ttft_s / runs.ttft_s[rows])[used] / TTFT_SCALE
    return np.concatenate([_robust(root * itl), _robust(root * ttft)])


def _robust(errors: FloatArray) -> FloatArray:
    """Residuals whose squares grow linearly beyond one (pseudo-Huber)."""
    return np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
