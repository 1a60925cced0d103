"""Describes a load in words."""

from simkit.core.words import counted
from simkit.sim.load.arrivals import Arrivals, ClosedLoop, SyntheticLoad
from simkit.sim.load.lengths import FixedLength, LengthDistribution, UniformLength


def synthetic(load: SyntheticLoad) -> str:
    """Number, lengths, what is shared, and how requests are sent."""
    lengths = f"{_length(load.isl)} + {_length(load.osl)} tokens{_shared(load)}"
    return f"{counted(load.count, 'request')} of {lengths}, {_arrivals(load.arrivals)}{_warmup(load.warmup)}"


def recorded(
    name: str, lengths: tuple[float, float, float], arrivals: Arrivals | None, size: tuple[int, float]
) -> str:
    """The same of a trace; size is (requests, seconds)."""
    when = _arrivals(arrivals) if arrivals else f"at their own times over {size[1]:,.0f} s"
    means = f"{lengths[0]:,.0f} + {lengths[1]:,.0f} tokens"
    return f"{counted(size[0], 'request')} of {name}, on average {means}, {when}"


def _length(lengths: LengthDistribution) -> str:
    if isinstance(lengths, FixedLength):
        return f"{lengths.tokens:,}"
    if isinstance(lengths, UniformLength):
        return f"{lengths.low_tokens:,}\u2013{lengths.high_tokens:,}"
    return f"{lengths.tokens:,.0f} (lognormal, cv {lengths.cv:g})"


def _shared(load: SyntheticLoad) -> str:
    if load.prefixes is None or not load.prefixes.total_tokens:
        return ""
    many = f" in {load.prefixes.num_prefixes:,} variants" if load.prefixes.num_prefixes > 1 else ""
    return f" ({load.prefixes.total_tokens:,} shared{many})"


def _arrivals(arrivals: Arrivals) -> str:
    if isinstance(arrivals, ClosedLoop):
        return f"{arrivals.concurrency:,} in flight"
    kind = {None: "evenly spaced", 1.0: "Poisson"}.get(arrivals.burstiness)
    return (
        f"{arrivals.rate_per_s:g} per second, {kind or f'gamma gaps of burstiness {arrivals.burstiness:g}'}"
    )


def _warmup(count: int) -> str:
    return f", after {count:,} to warm up" if count else ""
