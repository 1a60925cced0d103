"""Fits perfmodels.linkmodel to measured times."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from perfmodels.arrays import FloatArray
from perfmodels.device import Link
from perfmodels.linkmodel import Algorithm, LinkModel, collective_time_s

# Natural logs: latency [s], time of a further rank [s], fraction of the link; and crowding as it is.
_LOW = (np.log(5e-7), np.log(1e-9), np.log(0.005), -0.5)
_HIGH = (np.log(1e-3), np.log(1e-4), np.log(2.5), 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Measured collectives inside one link domain; arrays of one length."""

    message_bytes: FloatArray
    group: FloatArray
    time_s: FloatArray


def fit_link_model(operation: str, timings: Timings, link: Link) -> LinkModel:
    """The algorithms whose quickest comes closest to the logs of the measured times.

    Large errors count linearly. Raises ValueError for fewer than eight rows or times that are not
    positive.
    """
    if timings.time_s.size < 8 or not np.all(timings.time_s > 0):
        raise ValueError(f"a link model needs eight positive times, got {timings.time_s.size} rows")
    target = np.log(timings.time_s)

    def errors(theta: FloatArray) -> FloatArray:
        model = _model(operation, theta)
        predicted = collective_time_s(model, timings.message_bytes, timings.group, link)
        rest: FloatArray = np.log(predicted) - target
        return np.concatenate([rest, 0.02 * (theta - _start(timings, 1.0))])

    bounds = (np.tile(_LOW, 3), np.tile(_HIGH, 3))
    fits = [
        least_squares(
            errors, np.clip(_start(timings, spread), *bounds), bounds=bounds, loss="soft_l1", f_scale=0.1
        )
        for spread in (1.0, 2.0)
    ]
    return _model(operation, min(fits, key=lambda fit: float(fit.cost)).x)


def _start(timings: Timings, spread: float) -> FloatArray:
    """Three algorithms from the least time upwards: quick to start and slow, to slow to start and quick."""
    least = float(np.log(timings.time_s.min()))
    rows = []
    for position, fraction in enumerate((0.3, 0.5, 0.75)):
        rows.append((least + position * 0.7 * spread, least - 3.0, np.log(fraction), 0.0))
    return np.asarray(rows).ravel()


def _model(operation: str, theta: FloatArray) -> LinkModel:
    ways = [
        Algorithm(
            latency_s=float(np.exp(row[0])),
            peer_s=float(np.exp(row[1])),
            bandwidth_frac=float(np.exp(row[2])),
            crowding=float(row[3]),
            one_shot=operation == "all_reduce" and position == 0,
        )
        for position, row in enumerate(theta.reshape(3, 4))
    ]
    return LinkModel(operation=operation, algorithms=tuple(ways))
