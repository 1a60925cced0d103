"""A load sent through a cluster: all at once and kept, or in pieces and summed up while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from simkit.core.errors import InputError
from simkit.core.slo import Slo
from simkit.sim.cluster import Cluster, Samples, Simulation, simulate, simulate_stream
from simkit.sim.load.protocol import Refusals, first_requests, held_back, settled, warmup_end_s
from simkit.sim.requests import Requests, RequestTimes, times_part, times_where
from simkit.sim.results.summary import RunSummary, SummaryBuilder, summarize
from simkit.sim.results.timeline import Timeline, TimelineBuilder
from simkit.verbs.loads import OfferedLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What is kept of a run: summary of the requests that count, the same without opening burst and running
    out, of the warm-up; times and samples None where it was too long to keep. refused: requests that no
    engine could hold, left out.
    """

    summary: RunSummary
    settled: RunSummary | None
    warmup: RunSummary | None
    timeline: Timeline
    samples: Samples | None
    times: RequestTimes | None
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A cluster, the load it is offered, and what decides how a run goes."""

    cluster: Cluster
    load: OfferedLoad
    seed: int
    slo: Slo
    longest_tokens: int | None = None

    def refusals(self) -> Refusals:
        """What its engines refuse, nothing counted yet."""
        return Refusals(self.cluster, self.longest_tokens)


def whole_run(course: Course) -> SimulatedRun:
    """The run with every request kept."""
    refusals, load = course.refusals(), course.load
    requests = _some(refusals.pass_on(load.requests(course.seed)), refusals, load)
    if load.drained and load.warmup:
        begin_s = _warmup_end_s(course, requests)
        (requests,) = held_back([requests], load.warmup, begin_s)
    done = _simulated(course, requests)
    counted = times_part(done.times, load.warmup)
    first, last = settled(counted, load.concurrency)
    timeline = TimelineBuilder()
    timeline.add(done.times)
    return SimulatedRun(
        summary=summarize(counted, course.slo),
        settled=summarize(times_part(counted, first, last)) if last > first else None,
        warmup=summarize(times_part(done.times, 0, load.warmup)) if load.warmup else None,
        timeline=timeline.timeline(),
        samples=done.samples,
        times=done.times,
        refused=refusals.count,
    )


def streamed_run(course: Course) -> SimulatedRun:
    """The run in constant memory: percentiles by sketch, no request kept."""
    refusals, load = course.refusals(), course.load
    if load.warmup and not load.drained:
        raise InputError(
            "a run of so many requests waits for its warm-up; drop --seamless-warmup or --warmup"
        )
    batches, begin_s = _served(refusals, load, course.seed), 0.0
    if load.warmup:
        first = first_requests(_served(course.refusals(), load, course.seed), load.warmup + 1)
        begin_s = _warmup_end_s(course, _some(first, refusals, load))
        batches = held_back(batches, load.warmup, begin_s)
    counted, warmup, timeline = SummaryBuilder(course.slo), SummaryBuilder(), TimelineBuilder()
    pieces = simulate_stream(course.cluster, batches, concurrency=load.concurrency, seed=course.seed)
    for times in pieces:
        timeline.add(times)
        after = times.sent_s >= begin_s
        counted.add(times_where(times, after))
        warmup.add(times_where(times, ~after))
    return SimulatedRun(
        summary=counted.summary(),
        settled=None,
        warmup=warmup.summary() if load.warmup else None,
        timeline=timeline.timeline(),
        samples=None,
        times=None,
        refused=refusals.count,
    )


def _served(refusals: Refusals, load: OfferedLoad, seed: int) -> Iterator[Requests]:
    return (batch for batch in map(refusals.pass_on, load.chunks(seed)) if len(batch))


def _simulated(course: Course, requests: Requests) -> Simulation:
    return simulate(course.cluster, requests, concurrency=course.load.concurrency, seed=course.seed)


def _warmup_end_s(course: Course, requests: Requests) -> float:
    return warmup_end_s(lambda some: _simulated(course, some).times, requests, course.load.warmup)


def _some(requests: Requests, refusals: Refusals, load: OfferedLoad) -> Requests:
    if len(requests) <= load.warmup:
        raise InputError(
            f"{len(requests)} of {load.total} requests fit into an engine, which holds "
            f"{refusals.total_tokens:,} tokens; use more GPUs per engine, shorter requests or less warm-up"
        )
    return requests
