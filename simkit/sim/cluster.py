"""Clusters of simulated engines, and requests served by them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError, unknown_name
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests, RequestTimes
from simkit.sim.routers import ROUTERS
from simkit.sim.step_table import StepTable


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePool:
    """Identical engines. Each has `ranks` lanes that step together (attention data parallel) in each of
    `stages` groups that do not wait for each other (pipeline stages: as many micro-batches in flight).
    """

    table: StepTable
    policy: SchedulerPolicy
    replicas: int = 1
    ranks: int = 1
    stages: int = 1

    def __post_init__(self) -> None:
        for name in ("replicas", "ranks", "stages"):
            if getattr(self, name) < 1:
                raise InputError(f"pool.{name} must be at least 1, got {getattr(self, name)}")

    @property
    def num_lanes(self) -> int:
        """Independent streams of requests."""
        return self.replicas * self.ranks * self.stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Seconds to move the cache of a prompt of so many tokens; linear between points."""

    tokens: FloatArray
    time_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One pool that serves requests whole, or a prefill and a decode pool with a handover between them."""

    pools: tuple[EnginePool, ...]
    handover: Handover | None = None
    router: str = "round_robin"

    def __post_init__(self) -> None:
        if self.router not in ROUTERS:
            raise unknown_name("router", self.router, tuple(ROUTERS))
        if len(self.pools) not in (1, 2) or (len(self.pools) == 2) != (self.handover is not None):
            raise InputError("a cluster has one pool, or prefill and decode pools and a handover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The cluster at moments of a run, at most some thousand; arrays [moments].

    waiting: sent and neither prefilling nor decoding; running: the rest; used_frac and idle_frac: share
    of all cache that sequences use, and that keeps prefixes that no sequence uses at the moment.
    """

    time_s: FloatArray
    waiting: FloatArray
    running: FloatArray
    used_frac: FloatArray
    idle_frac: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """When every request ran, the cluster over time, and how many engine steps that took.

    peak_used_frac [lanes]: the most of its cache that sequences of a lane ever used.
    """

    times: RequestTimes
    samples: Samples
    num_steps: int
    peak_used_frac: FloatArray


def simulate(
    cluster: Cluster,
    requests: Requests,
    *,
    concurrency: int | None = None,
    seed: int = 0,
    stepping: bool = False,
) -> Simulation:
    """Serve requests, in order of sending: `concurrency` at a time, or (None) each at its arrival_s.

    seed draws what chance decides (accepted draft tokens): the same seed gives the same times.
    stepping walks decode steps one by one, which changes nothing but rounding and speed. Raises
    InputError for requests that no engine of the cluster could ever hold.
    """
    from simkit.sim.kernel.session import Arena  # compiled code is loaded where it is used

    unit_tokens = requests.block_tokens if len(requests.block_ids) else 0
    arena = Arena(cluster, concurrency=concurrency, seed=seed, unit_tokens=unit_tokens, stepping=stepping)
    arena.add(requests)
    arena.run(last=True)
    return Simulation(
        times=arena.take(),
        samples=arena.samples(),
        num_steps=arena.num_steps,
        peak_used_frac=arena.peak_used_frac(),
    )


def simulate_stream(
    cluster: Cluster, batches: Iterable[Requests], *, concurrency: int | None = None, seed: int = 0
) -> Iterator[RequestTimes]:
    """The same for any number of requests in constant memory: times of those that finished, piece by piece.

    Equal to one simulation of all requests joined, save for the draws of chance. Within a piece
    requests are in order of sending.
    """
    from simkit.sim.kernel.session import Arena

    arena: Arena | None = None
    for batch in batches:
        unit_tokens = batch.block_tokens if len(batch.block_ids) else 0
        arena = arena or Arena(cluster, concurrency=concurrency, seed=seed, unit_tokens=unit_tokens)
        arena.add(batch)
        arena.run(last=False)
        yield arena.take()
    if arena is not None:
        arena.run(last=True)
        yield arena.take()
