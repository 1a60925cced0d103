"""The load a simulation is offered: synthetic, a trace, or a trace's lengths under another load."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.explain import load_words as words
from simkit.formats.traces.read import Trace, TraceOptions, read_trace
from simkit.sim.load.arrivals import CHUNK, Arrivals, ClosedLoop, OpenLoop, SyntheticLoad, chunks
from simkit.sim.load.lengths import FixedLength, LengthDistribution, LognormalLength, spread_length
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.requests import Requests, joined, part

_STEADY_REQUESTS_PER_SLOT = 20  # as in the benchmark that `recommend` writes
_OPEN_LOOP_S = 300
_FEWEST_REQUESTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a workload (lengths, concurrency or rate, requests per slot, spread) does not say.

    requests: how many are counted, None for 20 a slot or 300 s at a rate. warmup requests are sent before
    them and answered before the first of them is sent, unless seamless. burstiness: None is a constant
    rate. length_cv: lognormal lengths. A trace gives times and lengths; under a concurrency or rate,
    lengths only.
    """

    requests: int | None = None
    warmup: int = 0
    seamless: bool = False
    burstiness: float | None = 1.0
    length_cv: float | None = None
    prefixes: SharedPrefixes | None = None
    trace: Path | None = None
    trace_options: TraceOptions = field(default_factory=TraceOptions)

    def __post_init__(self) -> None:
        if self.requests is not None and self.requests < 1:
            raise InputError(f"number of requests must be at least 1, got {self.requests}")
        if self.warmup < 0:
            raise InputError(f"number of warm-up requests must not be negative, got {self.warmup}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedLoad:
    """Requests to be sent, the first `warmup` of them not counted; drained: all of those are answered
    before the first that counts. concurrency None: sent at their times.

    workload describes it in means, for a closed form. words tell it to people.
    """

    total: int
    warmup: int
    drained: bool
    concurrency: int | None
    workload: Workload
    words: str
    trace: Trace | None = None
    synthetic: SyntheticLoad | None = None
    recorded: Requests | None = None

    def chunks(self, seed: int, size: int = CHUNK) -> Iterator[Requests]:
        """The requests, `size` at a time; the same whatever the size."""
        if self.recorded is not None:
            spans = range(0, self.total, size)
            yield from (part(self.recorded, start, min(start + size, self.total)) for start in spans)
        elif self.synthetic is not None:
            yield from chunks(self.synthetic, np.random.default_rng(seed), size)

    def requests(self, seed: int) -> Requests:
        """All requests at once."""
        return self.recorded if self.recorded is not None else joined(list(self.chunks(seed)))


def offered_load(workload: Workload, options: LoadOptions, seed: int) -> OfferedLoad:
    """The load that workload and options describe; `seed` draws the times of a trace sent at a rate."""
    arrivals = _arrivals(workload, options)
    if options.trace is not None:
        return _recorded(arrivals, options, seed)
    if arrivals is None:
        raise InputError("no load: give --concurrency, --rate or --trace")
    load = SyntheticLoad(
        arrivals=arrivals,
        isl=_length(workload.isl_tokens, workload, options),
        osl=_length(workload.osl_tokens, workload, options),
        count=options.requests or _count(workload, arrivals),
        warmup=options.warmup,
        prefixes=options.prefixes,
    )
    lengths = (load.isl.mean_tokens, load.osl.mean_tokens, _cv(load.osl))
    return OfferedLoad(
        total=load.total,
        warmup=load.warmup,
        drained=not options.seamless,
        concurrency=_slots(arrivals),
        workload=in_means(lengths, arrivals, load.count),
        words=words.synthetic(load),
        synthetic=load,
    )


def _recorded(arrivals: Arrivals | None, options: LoadOptions, seed: int) -> OfferedLoad:
    if arrivals is not None and options.trace_options.speedup != 1.0:
        raise InputError("--speedup: with a concurrency or rate the trace's times are not used; drop one")
    limit = None if options.requests is None else options.requests + options.warmup
    trace = read_trace(options.trace or Path(), replace(options.trace_options, limit=limit))
    requests, count = trace.requests, len(trace.requests) - options.warmup
    if count < 1:
        raise InputError(f"{options.trace}: {len(requests)} requests, all of them warm-up; lower --warmup")
    if arrivals is not None:
        gaps = arrivals.gaps(np.random.default_rng(seed), len(requests))
        requests = replace(requests, arrival_s=np.cumsum(gaps))
    counted = part(requests, options.warmup, len(requests))
    osl = counted.osl_tokens
    lengths = (float(np.mean(counted.isl_tokens)), float(np.mean(osl)), float(np.std(osl) / np.mean(osl)))
    span_s = max(float(counted.arrival_s[-1] - counted.arrival_s[0]), 1e-6)
    return OfferedLoad(
        total=len(requests),
        warmup=options.warmup,
        drained=arrivals is not None and not options.seamless,
        concurrency=_slots(arrivals),
        workload=in_means(lengths, arrivals or OpenLoop(rate_per_s=count / span_s), count),
        words=words.recorded((options.trace or Path()).name, lengths, arrivals, (count, span_s)),
        trace=trace,
        recorded=requests,
    )


def in_means(lengths: tuple[float, float, float], arrivals: Arrivals, count: int) -> Workload:
    """The load as a closed form takes it; lengths is (mean ISL, mean OSL, their coefficient of variation).

    Any distribution of lengths becomes the uniform one of the same mean and coefficient of variation,
    as far as that can be.
    """
    wide = lengths[2] * math.sqrt(12.0)
    spread = min(wide / (1.0 + wide / 2.0), 0.99)
    share = 1.0 - spread / 2.0
    slots = _slots(arrivals)
    slots = min(slots, count) if slots else None  # more slots than requests stay empty
    return Workload(
        isl_tokens=lengths[0] / share,
        osl_tokens=lengths[1] / share,
        concurrency=slots,
        request_rate_per_s=arrivals.rate_per_s if isinstance(arrivals, OpenLoop) else None,
        requests_per_slot=count / slots if slots else None,
        length_spread=spread,
    )


def _slots(arrivals: Arrivals | None) -> int | None:
    return arrivals.concurrency if isinstance(arrivals, ClosedLoop) else None


def _arrivals(workload: Workload, options: LoadOptions) -> Arrivals | None:
    if workload.concurrency is not None:
        if workload.concurrency != round(workload.concurrency):
            raise InputError(f"--concurrency {workload.concurrency:g}: a simulation needs whole slots")
        return ClosedLoop(concurrency=round(workload.concurrency))
    if workload.request_rate_per_s is not None:
        return OpenLoop(rate_per_s=workload.request_rate_per_s, burstiness=options.burstiness)
    return None


def _length(nominal: float, workload: Workload, options: LoadOptions) -> LengthDistribution:
    if options.length_cv is None:
        return spread_length(max(round(nominal), 1), workload.length_spread)
    if workload.length_spread:
        raise InputError("--length-spread and --length-cv are two distributions of lengths; drop one of them")
    shared = options.prefixes.total_tokens if options.prefixes else 0
    return LognormalLength(tokens=nominal, cv=options.length_cv, least_tokens=shared + 1)


def _count(workload: Workload, arrivals: Arrivals) -> int:
    if isinstance(arrivals, ClosedLoop):
        wanted = arrivals.concurrency * (workload.requests_per_slot or _STEADY_REQUESTS_PER_SLOT)
    else:
        wanted = arrivals.rate_per_s * _OPEN_LOOP_S
    return max(_FEWEST_REQUESTS, math.ceil(wanted))


def _cv(lengths: LengthDistribution) -> float:
    """Coefficient of variation of a distribution of lengths."""
    if isinstance(lengths, FixedLength):
        return 0.0
    if isinstance(lengths, LognormalLength):
        return lengths.cv
    return (lengths.high_tokens - lengths.low_tokens) / math.sqrt(12.0) / lengths.mean_tokens
