"""One worker of the mocker: what it does in a pass.

The rules of ai-dynamo 1.4.2 (lib/mocker/src/scheduler/vllm/core.rs, policy.rs) as docs/replay_oracle.md
states them, programmed in order to check the statement; not a simulator for use.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from blocks import BlockPool
from sequences import EngineRules, Pass, Sequence
from steptimes import StepTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a pass did: its time, who got a token, and who of those is complete."""

    time_ms: float
    emitted: list[Sequence]
    complete: list[Sequence]


class Engine:
    """Waiting and running sequences and their cache; `arriving` are those a prefill worker hands over."""

    def __init__(self, rules: EngineRules, times: StepTimes) -> None:
        self.rules, self.times = rules, times
        self.pool = BlockPool(rules.num_gpu_blocks)
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.arriving: deque[Sequence] = deque()

    @property
    def has_work(self) -> bool:
        """Whether a pass would find anybody."""
        return bool(self.waiting or self.running)

    def run_pass(self) -> Passed:
        """Who runs goes first, in order of admission; then others are admitted, if nobody was preempted."""
        current = Pass(self.rules.max_num_batched_tokens)
        place = 0
        while place < len(self.running) and current.budget > 0:
            sequence = self.running[place]
            outcome = self._schedule(sequence, self._hits(sequence), current)
            if outcome == "blocked":
                break
            place += outcome == "scheduled"
        self._admit(current)
        return self._emit(current)

    def _admit(self, current: Pass) -> None:
        while not current.preempted and len(self.running) < self.rules.max_num_seqs:
            sequence = self._next_waiting()
            if sequence is None or not self._fits(sequence):
                return
            if self._schedule(sequence, self._hits(sequence), current) != "scheduled":
                return
            self.waiting.remove(sequence)
            self.running.append(sequence)

    def _next_waiting(self) -> Sequence | None:
        """The first; while a handed-over sequence waits for cache, only one whose prompt is in the cache."""
        if not self.arriving:
            return self.waiting[0] if self.waiting else None
        return next((one for one in self.waiting if one.computed >= one.isl), None)

    def _fits(self, sequence: Sequence) -> bool:
        """Room for all tokens known, or without preemption for all that may come of everybody."""
        if sequence.computed >= sequence.isl:
            return True
        free = self.pool.capacity - self.pool.in_use
        used_by_others = sum(not self.pool.is_idle(block) for block in self._known(sequence))
        used_by_others = min(used_by_others, len(self._hits(sequence)))
        if self.rules.evicts:
            return self._count(sequence.length) - used_by_others <= free
        promised = sum(self._final(other) - len(other.blocks) for other in self.running)
        return self._final(sequence) - used_by_others <= free - promised

    def _schedule(self, sequence: Sequence, hits: list[int], current: Pass) -> str:
        """Give a sequence tokens and blocks: 'scheduled', 'blocked', or 'preempted' where it lost its own."""
        begin = sequence.computed + len(hits) * self.rules.block_size
        prompt_left = max(sequence.isl - begin, 0)
        if prompt_left > current.budget and not self.rules.enable_chunked_prefill:
            return "blocked"
        tokens = min(sequence.length - begin, current.budget)
        if tokens == 0 and sequence.length > begin:
            return "blocked"
        fresh = max(self._count(begin + tokens) - len(sequence.blocks) - len(hits), 0)
        while (taken := self.pool.take(hits, fresh)) is None:
            victim = self._preempt(current)
            if victim is None:
                return "blocked"
            if victim is sequence:
                return "preempted"
        sequence.blocks += taken
        sequence.computed = begin + tokens
        self._name(sequence, begin)
        current.work[sequence.index] = (tokens, min(prompt_left, tokens), min(begin, sequence.isl))
        current.budget -= tokens
        return "scheduled"

    def _preempt(self, current: Pass) -> Sequence | None:
        """The last admitted (or the first) loses its cache and heads the queue; it keeps its tokens."""
        if not self.running or not self.rules.evicts:
            return None
        victim = self.running.pop(-1 if self.rules.preemption_mode == "lifo" else 0)
        self.release(victim)
        victim.computed = 0
        victim.preemptions += 1
        self.waiting.appendleft(victim)
        current.preempted = True
        if victim.index in current.work:
            current.budget += current.work.pop(victim.index)[0]
        return victim

    def _emit(self, current: Pass) -> Passed:
        """Prefill, then one token for everybody whose tokens are all computed, newcomers included."""
        prefill_ms = decode_ms = 0.0
        if self.rules.role != "decode":
            prefill_ms = self.times.prefill_ms(current.prefill_tokens())
        ready = [one for one in self.running if one.computed >= one.length]
        if ready and self.rules.role != "prefill":
            kv_tokens = self.pool.in_use * self.rules.block_size
            decode_ms = self.times.decode_ms(kv_tokens, sum(one.length for one in ready) // len(ready))
        for one in ready:
            one.generated += 1
        complete = [one for one in ready if one.generated >= one.osl]
        self.running = [one for one in self.running if one not in complete]
        if self.rules.role != "prefill":
            for one in complete:
                self.release(one)
        return Passed(time_ms=prefill_ms + decode_ms, emitted=ready, complete=complete)

    def reserve(self) -> Sequence | None:
        """Blocks for the prompt of the first handed-over sequence, if there is room and a place to run."""
        if not self.arriving or len(self.running) >= self.rules.max_num_seqs:
            return None
        sequence = self.arriving[0]
        hits = self._known(sequence)
        taken = self.pool.take(hits, self._count(sequence.isl) - len(hits))
        if taken is None:
            return None
        sequence.blocks = taken
        return self.arriving.popleft()

    def activate(self, sequence: Sequence) -> None:
        """The cache of a handed-over sequence is here: it waits for its next pass as if prefilled."""
        sequence.computed = sequence.isl
        self._name(sequence, 0)
        self.waiting.append(sequence)

    def release(self, sequence: Sequence) -> None:
        """Give back a sequence's blocks."""
        self.pool.release(sequence.blocks)
        sequence.blocks = []

    def _known(self, sequence: Sequence) -> list[int]:
        """Leading full blocks of what the sequence knows that are in the cache, if it holds none itself."""
        known: list[int] = []
        if not self.rules.enable_prefix_caching or sequence.computed > 0:
            return known
        for number in range(sequence.length // self.rules.block_size):
            block = self.pool.find(self._name_of(sequence, number))
            if block is None:
                break
            known.append(block)
        return known

    def _hits(self, sequence: Sequence) -> list[int]:
        """Blocks a sequence need not compute; one token is left to compute, save under TensorRT-LLM."""
        most = (sequence.length - self.rules.evicts) // self.rules.block_size
        return self._known(sequence)[:most]

    def _name(self, sequence: Sequence, begin: int) -> None:
        """Full blocks are found by others as soon as they are scheduled, in the same pass already."""
        if self.rules.enable_prefix_caching:
            size = self.rules.block_size
            for number in range(begin // size, sequence.computed // size):
                self.pool.name(sequence.blocks[number], self._name_of(sequence, number))

    def _name_of(self, sequence: Sequence, number: int) -> Hashable:
        size = self.rules.block_size
        if (number + 1) * size <= sequence.isl:
            return sequence.names(number, size)
        return ("output", sequence.index, number)

    def _count(self, tokens: int) -> int:
        return -(-tokens // self.rules.block_size)

    def _final(self, sequence: Sequence) -> int:
        """Blocks of a sequence with its longest output; more than the cache holds is not asked for."""
        return min(self._count(sequence.isl + sequence.osl), self.pool.capacity)
