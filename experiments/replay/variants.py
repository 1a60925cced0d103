"""The mocker with rules of simkit in place of its own, one or several: which of them makes a difference?"""

from dataclasses import dataclass

from cluster import Load, Worker
from engine import Engine
from handover import Disaggregated, Moving, Transfer
from sequences import EngineRules, Passed, Sequence
from steptimes import StepTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRules:
    """Rules of simkit's scheduler (docs/simulation.md) that the mocker has otherwise; numbers are the mocker's.

    each_its_own: sequences pay for a shared block each (3). recompute_costs: what a preempted sequence had put out is
    prefilled again (4). last_goes: always the last admitted is preempted (8). after_prefill: prefixes
    are found once they are computed (9). no_own: a preempted sequence does not find its own blocks (9).
    spare_pages: admission rounds up what all may take together, and adds a page for each (10).
    """

    each_its_own: bool = False
    recompute_costs: bool = False
    last_goes: bool = False
    after_prefill: bool = False
    no_own: bool = False
    spare_pages: bool = False


class OurEngine(Engine):
    """A worker with some of our rules."""

    def __init__(self, rules: EngineRules, times: StepTimes, ours: OurRules) -> None:
        super().__init__(rules, times)
        self.ours = ours
        self._computed: list[tuple[Sequence, int]] = []

    def run_pass(self) -> Passed:
        """What was computed is found by others from the next pass on, if it is complete."""
        passed = super().run_pass()
        later = []
        for sequence, begin in self._computed:
            if sequence.computed < sequence.isl and sequence.blocks:
                later.append((sequence, begin))
            elif sequence.blocks:
                super()._name(sequence, begin)
        self._computed = later
        return passed

    def _name(self, sequence: Sequence, begin: int) -> None:
        if not self.ours.after_prefill:
            super()._name(sequence, begin)
        elif begin < sequence.isl and sequence.computed > begin:
            self._computed.append((sequence, begin))

    def _known(self, sequence: Sequence) -> list[int]:
        known = super()._known(sequence)
        return [] if self.ours.no_own and sequence.preemptions > 0 else known

    def _kv_tokens(self, ready: list[Sequence]) -> int:
        if not self.ours.each_its_own:
            return super()._kv_tokens(ready)
        return sum(self._count(one.length) for one in ready) * self.rules.block_size

    def _prefilled(self, sequence: Sequence, begin: int, tokens: int) -> tuple[int, int]:
        if self.ours.recompute_costs and sequence.preemptions > 0 and sequence.length - begin > 1:
            return tokens, begin
        return super()._prefilled(sequence, begin, tokens)

    def _promised(self) -> int:
        return super()._promised() + (len(self.running) + 1 if self.ours.spare_pages else 0)


class OurDecoder(OurEngine):
    """A decode engine to which caches come unannounced: a request is admitted when there is room for it."""

    def _fits(self, sequence: Sequence) -> bool:
        if sequence.computed >= sequence.isl and not sequence.blocks:
            return self._count(sequence.length) <= self.pool.capacity - self.pool.in_use
        return super()._fits(sequence)


class OurHandover(Disaggregated):
    """Two pools as simkit has them (13, 14): a prefill engine moves one cache after the other, requests wait
    at the decode engine with their cache, and the first token counts when they are admitted there.
    """

    def __init__(self, load: Load, prefill: list[Worker], decode: list[Worker], transfer: Transfer) -> None:
        super().__init__(load, prefill, decode, transfer)
        self.link_free_ms = {id(worker): 0.0 for worker in prefill}

    def book(self, passed: Passed, end_ms: float) -> None:
        """The first token is there before the pass."""
        for sequence in passed.emitted:
            if not self.by_index[sequence.index].token_ms:
                self.by_index[sequence.index].token_ms.append(self.now_ms)
        super().book(passed, end_ms)

    def _complete(self, worker: Worker, passed: Passed, kind: str) -> None:
        if kind == "decode":
            super()._complete(worker, passed, kind)
            return
        for held in passed.complete:
            request = self.by_index[held.index]
            moving = Moving(worker, held, worker, request.sequence(request.osl))
            end_ms = max(self.link_free_ms[id(worker)], self.now_ms) + self.transfer.time_ms(held.isl)
            self.link_free_ms[id(worker)] = end_ms
            self.at(end_ms, "transfer", moving)

    def _act(self, action: str, moving: Moving) -> None:
        """The cache has come."""
        moving.source.ranks[0].release(moving.held)
        moving.sequence.computed, moving.sequence.generated = moving.sequence.isl, 1
        self._turn(self.decode, "decode").accept(moving.sequence)
