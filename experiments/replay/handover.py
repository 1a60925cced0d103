"""Prefill and decode workers of the mocker; the hand-over between them as ai-dynamo 1.4.2 orders it.

lib/mocker/src/replay/offline/disagg.rs, lib/mocker/src/common/handoff.rs: prefill, then blocks at the decode
worker, then the transfer, then the sequence decodes, then the prefill worker's blocks are free.
"""

import heapq
from collections import deque
from dataclasses import dataclass

from cluster import Load, Run, Sent, Worker
from engine import Passed
from sequences import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """bytes_per_token and gb_per_s: 0 moves a cache in no time. keeps_output: a prefill worker makes the
    whole output before it hands over, as 1.4.2 does for requests from a trace file.
    """

    bytes_per_token: float = 0.0
    gb_per_s: float = 0.0
    keeps_output: bool = False

    def time_ms(self, tokens: int) -> float:
        """Of one prompt; transfers do not get in each other's way."""
        return tokens * self.bytes_per_token / (self.gb_per_s * 1e6) if self.gb_per_s else 0.0


@dataclass(slots=True, eq=False)
class _Moving:
    """A prefilled request on its way: the copy that holds the source's blocks, and the one to decode."""

    source: Worker
    held: Sequence
    target: Worker
    sequence: Sequence


class Disaggregated(Run):
    """The two pools. At a moment: ends of passes, transfers, arrivals, actions, prefill, decode, again."""

    def __init__(self, load: Load, prefill: list[Worker], decode: list[Worker], transfer: Transfer) -> None:
        super().__init__(load)
        self.prefill, self.decode, self.transfer = prefill, decode, transfer
        self.turns = {"prefill": 0, "decode": 0}
        self.moving: dict[int, _Moving] = {}
        self.actions: deque[tuple[str, _Moving]] = deque()
        self.postponed: dict[int, list[tuple[str, _Moving]]] = {}

    def run(self) -> None:
        """Serve everything."""
        while True:
            while self._once():
                pass
            if not self.advance():
                return

    def _once(self) -> bool:
        acted = self._ends()
        for request in self.due():
            self._send(request)
            acted = True
        while self.actions:
            self._act(*self.actions.popleft())
            acted = True
        acted |= self._drive(self.prefill, "prefill")
        return self._drive(self.decode, "decode") or acted

    def _ends(self) -> bool:
        """Passes that end now, then transfers."""
        now = []
        while self.events and self.events[0][0] <= self.now_ms:
            now.append(heapq.heappop(self.events))
        for _, _, kind, what in sorted(now, key=lambda event: event[2] == "transfer"):
            if kind == "transfer":
                self.actions.append(("activate", what))
                continue
            worker, passed = what
            worker.busy = False
            if kind == "decode":
                self._reserve_one(worker)
            self.actions.extend(self.postponed.pop(id(worker), []))
            self._complete(worker, passed, kind)
        return bool(now)

    def _drive(self, workers: list[Worker], kind: str) -> bool:
        """Begin passes; those that take no time end at once, and the worker goes on."""
        acted, stuck = False, set()
        while ready := [worker for worker in workers if worker.can_run and id(worker) not in stuck]:
            for worker in ready:
                passed = worker.run_pass()
                if kind == "decode":
                    self.book(passed, self.now_ms + passed.time_ms)
                if passed.time_ms > 0:
                    worker.busy = True
                    self.at(self.now_ms + passed.time_ms, kind, (worker, passed))
                elif passed.emitted:
                    self._complete(worker, passed, kind)
                else:
                    stuck.add(id(worker))
                acted |= id(worker) not in stuck
        return acted

    def _complete(self, worker: Worker, passed: Passed, kind: str) -> None:
        """A prefilled request looks for a decode worker; a decoded one is done."""
        if kind == "decode":
            self.in_flight -= len(passed.complete)
            return
        for held in passed.complete:
            request = self.by_index[held.index]
            moving = _Moving(worker, held, worker, request.sequence(request.osl))
            self.moving[held.index] = moving
            self.actions.append(("offer", moving))

    def _turn(self, workers: list[Worker], kind: str) -> Worker:
        self.turns[kind] += 1
        return workers[(self.turns[kind] - 1) % len(workers)]

    def _send(self, request: Sent) -> None:
        osl = request.osl if self.transfer.keeps_output else 1
        self._turn(self.prefill, "prefill").accept(request.sequence(osl))

    def _act(self, action: str, moving: _Moving) -> None:
        if action == "offer":
            moving.target = self._turn(self.decode, "decode")
            moving.target.ranks[0].arriving.append(moving.sequence)
            if not moving.target.busy:
                self._reserve_one(moving.target)
        elif action == "start":
            self._start(moving)
        else:
            self._between_passes(action, moving)

    def _start(self, moving: _Moving) -> None:
        time_ms = self.transfer.time_ms(moving.sequence.isl)
        if time_ms > 0:
            self.at(self.now_ms + time_ms, "transfer", moving)
        else:
            self.actions.append(("activate", moving))

    def _between_passes(self, action: str, moving: _Moving) -> None:
        """What a worker does only while no pass of its is under way."""
        worker = moving.target if action == "activate" else moving.source
        if worker.busy:
            self.postponed.setdefault(id(worker), []).append((action, moving))
        elif action == "activate":
            worker.ranks[0].activate(moving.sequence)
            self.actions.append(("free", moving))
            self._reserve_one(worker)
        else:
            worker.ranks[0].release(moving.held)

    def _reserve_one(self, worker: Worker) -> None:
        """At most one request finds blocks at a time, the first in line."""
        sequence = worker.ranks[0].reserve()
        if sequence is not None:
            self.actions.append(("start", self.moving[sequence.index]))
