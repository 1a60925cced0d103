"""Which fitted operator models answer for a GPU: its own, then its relatives', nearest first."""

import math
from functools import cache

from perfmodels.device import Device
from perfmodels.learned import LearnedTimes
from simkit.io.gpus import gpu as load_gpu
from simkit.io.operators import fitted_gpus, link_models, operator_models

_OTHER_VENDOR, _OTHER_GENERATION = 4.0, 1.0


_known: dict[tuple[str, str], LearnedTimes] = {}


def learned_times(device: Device, engine: str) -> LearnedTimes:
    """Operator times of `engine` on `device`, from the shipped models; what was picked is remembered."""
    found = _known.get((device.name, engine))
    if found is None or found.device != device:
        found = LearnedTimes(
            device=device,
            engine=engine,
            gpus=relatives(device),
            catalogue=operator_models,
            links=link_models,
        )
        _known[device.name, engine] = found
    return found


def relatives(device: Device) -> tuple[Device, ...]:
    """GPUs with fitted models, the most alike first; the device itself, as given, leads where it has any."""
    others = sorted(_fitted(), key=lambda other: (device_distance(device, other), other.name))
    return tuple(device if other.name == device.name else other for other in others)


@cache
def _fitted() -> tuple[Device, ...]:
    return tuple(load_gpu(name) for name in fitted_gpus())


def device_distance(first: Device, second: Device) -> float:
    """How unlike two GPUs are: vendor and generation, then machine balance, then bandwidth."""
    if first.name == second.name:
        return -1.0
    balance = [device.peak("bf16") / device.memory_bytes_per_s for device in (first, second)]
    speed = [device.memory_bytes_per_s for device in (first, second)]
    return (
        (_OTHER_VENDOR if first.vendor != second.vendor else 0.0)
        + (_OTHER_GENERATION if first.generation != second.generation else 0.0)
        + abs(math.log2(balance[0] / balance[1]))
        + 0.25 * abs(math.log2(speed[0] / speed[1]))
    )
