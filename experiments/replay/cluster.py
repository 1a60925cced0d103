"""Workers of the mocker together: how requests reach them, the loop around them.

Rules of ai-dynamo 1.4.2 (lib/mocker/src/replay/offline), stated in docs/replay_oracle.md.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine import Engine, Passed
from sequences import BlockNames, EngineRules, Sequence
from steptimes import StepTimes


@dataclass(slots=True, eq=False)
class Sent:
    """A request with its times [ms]; arrival is overwritten under a closed loop."""

    index: int
    arrival_ms: float
    isl: int
    osl: int
    names: BlockNames
    token_ms: list[float] = field(default_factory=list)
    preemptions: int = 0

    def sequence(self, osl: int) -> Sequence:
        """What a worker sees of it."""
        return Sequence(index=self.index, isl=self.isl, osl=osl, names=self.names)


@dataclass(slots=True, eq=False)
class Worker:
    """Ranks that begin their passes together and wait for the slowest."""

    ranks: list[Engine]
    busy: bool = False
    turn: int = 0

    @classmethod
    def of(cls, rules: EngineRules, times: StepTimes, ranks: int = 1) -> "Worker":
        """An idle worker."""
        return cls([Engine(rules, times) for _ in range(ranks)])

    def accept(self, sequence: Sequence) -> None:
        """Ranks take requests in turn."""
        self.ranks[self.turn % len(self.ranks)].waiting.append(sequence)
        self.turn += 1

    def run_pass(self) -> Passed:
        """One pass of every rank that has work."""
        passes = [rank.run_pass() for rank in self.ranks if rank.has_work]
        return Passed(
            time_ms=max(one.time_ms for one in passes),
            emitted=[sequence for one in passes for sequence in one.emitted],
            complete=[sequence for one in passes for sequence in one.complete],
        )

    @property
    def can_run(self) -> bool:
        """Idle, and somebody is there."""
        return not self.busy and any(rank.has_work for rank in self.ranks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests in the order of sending, `concurrency` at a time or (None) each at its arrival."""

    requests: list[Sent]
    concurrency: int | None = None


class Run:
    """What is common to both kinds of cluster: virtual time, sending, tokens."""

    def __init__(self, load: Load) -> None:
        self.now_ms = 0.0
        self.todo = deque(load.requests)
        self.by_index = {one.index: one for one in load.requests}
        self.concurrency = load.concurrency
        self.in_flight = 0
        self._order = 0
        self.events: list[tuple[float, int, str, Any]] = []

    def due(self) -> Iterable[Sent]:
        """Requests to send now."""
        while self.todo:
            if self.concurrency is None and self.todo[0].arrival_ms > self.now_ms:
                return
            if self.concurrency is not None and self.in_flight >= self.concurrency:
                return
            request = self.todo.popleft()
            if self.concurrency is not None:
                request.arrival_ms = self.now_ms
            self.in_flight += 1
            yield request

    def at(self, time_ms: float, kind: str, what: Any) -> None:
        """Let something happen later."""
        self._order += 1
        heapq.heappush(self.events, (time_ms, self._order, kind, what))

    def book(self, passed: Passed, end_ms: float) -> None:
        """Clients see the tokens of a pass at its end."""
        for sequence in passed.emitted:
            request = self.by_index[sequence.index]
            request.token_ms.append(end_ms)
            request.preemptions = sequence.preemptions

    def advance(self) -> bool:
        """On to the next moment; False when there is none."""
        moments = [self.events[0][0]] if self.events else []
        if self.todo and self.concurrency is None:
            moments.append(self.todo[0].arrival_ms)
        if moments:
            self.now_ms = max(min(moments), self.now_ms)
        return bool(moments)


def run_aggregated(load: Load, workers: list[Worker]) -> None:
    """Round robin over workers in order of sending; a closed loop sends again at the end of a pass."""
    run, turn = Run(load), 0
    while True:
        for request in run.due():
            workers[turn % len(workers)].accept(request.sequence(request.osl))
            turn += 1
        for worker in workers:
            if worker.can_run:
                passed = worker.run_pass()
                worker.busy = True
                run.book(passed, run.now_ms + passed.time_ms)
                run.at(run.now_ms + passed.time_ms, "pass", (worker, passed))
        if not run.advance():
            return
        while run.events and run.events[0][0] <= run.now_ms:
            worker, passed = heapq.heappop(run.events)[3]
            worker.busy = False
            run.in_flight -= len(passed.complete)
