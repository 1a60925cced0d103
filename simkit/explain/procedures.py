"""Which procedure a figure is of, and which of two figures to believe."""

from dataclasses import dataclass

from simkit.core.words import counted
from simkit.core.workload import Workload

STEADY = "a cluster that has been running, steady"


def procedure_words(workload: Workload) -> str:
    """How the load behind an estimate is driven."""
    if workload.request_rate_per_s is not None:
        return f"open loop: {workload.request_rate_per_s:g} requests/s at random times, {STEADY}"
    held = f"{workload.concurrency or 1.0:,.0f} in flight"
    if workload.requests_per_slot is None:
        return f"closed loop: {held}, {STEADY}"
    count = round((workload.concurrency or 1.0) * workload.requests_per_slot)
    return f"benchmark: {counted(count, 'request')}, {held} from an idle start, the opening burst in the mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """What decides between a simulation and the closed form beside it.

    unknown: what happened in the simulation that the closed form does not know, in words; apart: larger of
    their TTFT and ITL over the smaller.
    """

    unknown: tuple[str, ...]
    doubtful: bool
    in_domain: bool
    apart: float


def which_to_believe(seen: SideBySide) -> str:
    """One line for wherever both stand side by side."""
    if seen.unknown:
        return f"Believe the simulation: the closed form knows nothing of {' and '.join(seen.unknown)}."
    if seen.doubtful:
        return (
            "Believe the simulation: at this load the order of events decides, and the closed form only "
            "knows means."
        )
    if seen.apart < 1.1:
        return "Both agree: take means and intervals from the closed form, percentiles from the simulation."
    if seen.in_domain:
        return (
            "Believe the closed form for means: measured runs like this one correct it at its load. Take "
            "percentiles and the course over time from the simulation."
        )
    return (
        "Neither is backed by measured runs of this kind: take the less favourable, and measure before "
        "relying on it."
    )
