"""The mocker with rules of simkit in place of its own, one or several: which of them makes a difference?"""

from dataclasses import dataclass, replace
from typing import Any

from cluster import Load, Worker, run_aggregated
from engine import Engine
from handover import Disaggregated, Moving, Transfer
from sequences import EngineRules, Passed, Sequence
from steptimes import StepTimes
from verify import load_of, transfer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRules:
    """Rules of simkit's simulator (docs/simulation.md) that the mocker has otherwise.

    Each stands for a rule of docs/replay_oracle.md, whose number RULES gives.
    each_its_own: those who decode pay for the blocks they read, shared ones each, and for no others.
    recompute_costs: what a preempted sequence had put out is prefilled again. last_goes: always the last
    admitted is preempted. after_prefill: prefixes are found once they are computed (TensorRT-LLM's rules).
    prompts_only: blocks of outputs are not found again. link_in_turn: a prefill engine moves one cache after
    the other. reserve_all: a decode engine sets blocks aside for all it has room for, those it preempted
    first. first_at_admission: the first token counts when the decode engine takes the request on, before its
    pass. one_token_prefill: a prefill engine never makes more than a token.
    """

    each_its_own: bool = False
    recompute_costs: bool = False
    last_goes: bool = False
    after_prefill: bool = False
    prompts_only: bool = False
    link_in_turn: bool = False
    reserve_all: bool = False
    first_at_admission: bool = False
    one_token_prefill: bool = False

    @classmethod
    def named(cls, *names: str) -> "OurRules":
        """These rules ours, the others the mocker's."""
        return cls(**dict.fromkeys(names, True))


# By number in docs/replay_oracle.md.
RULES = {
    "each_its_own": 3,
    "recompute_costs": 4,
    "last_goes": 8,
    "after_prefill": 9,
    "prompts_only": 9,
    "link_in_turn": 13,
    "reserve_all": 13,
    "first_at_admission": 14,
    "one_token_prefill": 15,
}


class OurEngine(Engine):
    """A worker with some of our rules."""

    def __init__(self, rules: EngineRules, times: StepTimes, ours: OurRules) -> None:
        super().__init__(replace(rules, preemption_mode="lifo") if ours.last_goes else rules, times)
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
        return known[: sequence.isl // self.rules.block_size] if self.ours.prompts_only else known

    def _kv_tokens(self, ready: list[Sequence]) -> int:
        if not self.ours.each_its_own:
            return super()._kv_tokens(ready)
        return sum(self._count(one.length) for one in ready) * self.rules.block_size

    def _prefilled(self, sequence: Sequence, begin: int, tokens: int) -> tuple[int, int]:
        if self.ours.recompute_costs and sequence.preemptions > 0 and sequence.length - begin > 1:
            return tokens, begin
        return super()._prefilled(sequence, begin, tokens)

    def reserve(self) -> Sequence | None:
        """A preempted sequence goes before those that are handed over."""
        if self.ours.reserve_all and any(one.computed < one.isl for one in self.waiting):
            return None
        return super().reserve()

    def _next_waiting(self) -> Sequence | None:
        if not self.ours.reserve_all:
            return super()._next_waiting()
        placed = (one for one in self.waiting if one.blocks)
        return next(placed, self.waiting[0] if self.waiting else None)


class OurHandover(Disaggregated):
    """Two pools with some of our rules."""

    def __init__(
        self, load: Load, pools: tuple[list[Worker], list[Worker]], transfer: Transfer, ours: OurRules
    ):
        if ours.one_token_prefill:
            transfer = replace(transfer, keeps_output=False)
        super().__init__(load, *pools, transfer)
        self.ours = ours
        self.link_free_ms = {id(worker): 0.0 for worker in pools[0]}

    def book(self, passed: Passed, end_ms: float) -> None:
        """The first token is there before the pass."""
        for sequence in passed.emitted if self.ours.first_at_admission else ():
            if not self.by_index[sequence.index].token_ms:
                self.by_index[sequence.index].token_ms.append(self.now_ms)
        super().book(passed, end_ms)

    def _start(self, moving: Moving) -> None:
        if not self.ours.link_in_turn:
            super()._start(moving)
            return
        source = id(moving.source)
        end_ms = max(self.link_free_ms[source], self.now_ms) + self.transfer.time_ms(moving.held.isl)
        self.link_free_ms[source] = end_ms
        self.at(end_ms, "transfer", moving)

    def _act(self, action: str, moving: Moving) -> None:
        if action == "activate" and self.ours.first_at_admission:
            moving.sequence.generated = 1
        super()._act(action, moving)

    def _reserve_one(self, worker: Worker) -> None:
        super()._reserve_one(worker)
        before = -1
        while self.ours.reserve_all and len(self.actions) != before:
            before = len(self.actions)
            super()._reserve_one(worker)


def replayed_with(case: dict[str, Any], times: StepTimes, ours: OurRules) -> Load:
    """The fixture's requests with the times that the mocker's rules give, but for these of ours."""
    load = load_of(case)

    def workers(count: int, ranks: int = 1, **options: Any) -> list[Worker]:
        rules = EngineRules(**options)
        return [Worker([OurEngine(rules, times, ours) for _ in range(ranks)]) for _ in range(count)]

    if case["decode_workers"] == 0:
        engine = dict(case["engine"])
        run_aggregated(load, workers(case["workers"], engine.pop("dp_size", 1), **engine))
        return load
    sender, transfer = transfer_of(case)
    pools = (
        workers(case["prefill_workers"], role="prefill", **sender),
        workers(case["decode_workers"], role="decode", **case["decode"]),
    )
    OurHandover(load, pools, transfer, ours).run()
    return load
