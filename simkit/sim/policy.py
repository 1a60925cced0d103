"""How an engine schedules, as numbers; which engine follows which rule, and sources: docs/simulation.md."""

from dataclasses import dataclass, field, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError
from simkit.engines.registry import engine_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """Draft tokens, each accepted with the same probability as long as those before it were.

    step_factor: how much longer a decode step with drafting and verification takes than one without.
    """

    draft_tokens: int
    acceptance_frac: float
    step_factor: float = 1.0

    def __post_init__(self) -> None:
        if self.draft_tokens < 1 or not 0 <= self.acceptance_frac <= 1 or self.step_factor <= 0:
            raise InputError(
                "speculation: draft_tokens must be 1 or more, acceptance_frac in [0, 1] and step_factor "
                f"positive; got {self.draft_tokens}, {self.acceptance_frac}, {self.step_factor}"
            )

    @property
    def tokens_per_step(self) -> float:
        """Mean tokens of a step: its own and the accepted drafts."""
        return float(np.sum(self.acceptance_frac ** np.arange(self.draft_tokens + 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerPolicy:
    """The rules of one lane.

    token_budget: tokens of a step (prompts in chunks); max_seqs: sequences at once; mixed_steps: prompts
    share steps with decodes, else prompts go first; page_tokens and kv_capacity_tokens: the paged cache.
    early_prefixes: others find what a prompt shares as soon as it is scheduled, in the same step too, else
    once the prompt is prefilled.
    reserve_frac: share of what running requests may still put out, and reserve_own_frac of what a new one
    may, for which there must be cache to admit it (0: the prompt is enough, and a sequence is preempted
    and recomputed when pages run out; both 1: that never happens). least_output_first: who is
    preempted, the one with the least output or the last admitted; headroom_steps: decode steps for
    which there must be room once a sequence is.
    poll_steps, hold_steps, admission_steps: decode steps between two looks at the inbox, for which prompts
    are held back, and until the engine schedules a request. request_*_s: host time before a request's
    prefill, per prompt token, and per request of the opening burst before it. declared_tokens: the
    output limit that requests declare, None where each declares its own length, as benchmarks do.
    captured: batch sizes of captured graphs; a batch is computed as the next one of them.
    """

    token_budget: int = 8192
    max_seqs: int = 256
    mixed_steps: bool = True
    page_tokens: int = 16
    kv_capacity_tokens: int = 1 << 40
    prefix_caching: bool = True
    early_prefixes: bool = False
    reserve_frac: float = 0.0
    reserve_own_frac: float = 0.0
    least_output_first: bool = False
    headroom_steps: int = 1
    poll_steps: int = 0
    hold_steps: int = 0
    admission_steps: float = 1.0
    request_host_s: float = 0.0
    request_token_s: float = 0.0
    request_serial_s: float = 0.0
    declared_tokens: int | None = None
    captured: tuple[int, ...] = ()
    speculation: Speculation | None = field(default=None)

    def __post_init__(self) -> None:
        for name in ("token_budget", "max_seqs", "page_tokens", "kv_capacity_tokens", "headroom_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"policy.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.reserve_frac <= self.reserve_own_frac <= 1:
            raise InputError(
                "policy: 0 <= reserve_frac <= reserve_own_frac <= 1 is expected, got "
                f"{self.reserve_frac} and {self.reserve_own_frac}"
            )
        if list(self.captured) != sorted(set(self.captured)):
            raise InputError(f"policy.captured must ascend, got {self.captured}")

    @classmethod
    def of(
        cls, engine: EngineOptions, efficiency: Efficiency, kv_capacity_tokens: float
    ) -> "SchedulerPolicy":
        """The rules of an engine with these settings, and room for so many cached tokens per lane."""
        rules = engine_spec(engine.backend).scheduling
        return cls(
            token_budget=engine.max_num_batched_tokens,
            max_seqs=engine.max_num_seqs,
            mixed_steps=engine.mixed_steps,
            page_tokens=engine.kv_block_tokens,
            kv_capacity_tokens=max(int(kv_capacity_tokens), 1),
            prefix_caching=engine.prefix_caching,
            early_prefixes=rules.early_prefixes,
            reserve_frac=rules.reserve_running,
            reserve_own_frac=rules.reserve_own,
            least_output_first=rules.least_output_first,
            headroom_steps=rules.headroom_steps,
            poll_steps=engine.poll_steps,
            hold_steps=engine.hold_steps,
            admission_steps=efficiency.admission_steps,
            request_host_s=efficiency.request_host_s,
            request_token_s=efficiency.request_token_s,
            request_serial_s=efficiency.request_serial_s,
            captured=graph_sizes(engine.max_num_seqs) if engine.cuda_graphs else (),
        )

    def changed(self, **changes: object) -> "SchedulerPolicy":
        """The same rules but for these."""
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def num_pages(self) -> int:
        """Pages of the cache."""
        return self.kv_capacity_tokens // self.page_tokens

    @property
    def tokens_per_step(self) -> float:
        """Tokens a decode step adds to a sequence on average."""
        return self.speculation.tokens_per_step if self.speculation else 1.0

    def computed_batch(self, seqs: int) -> FloatArray:
        """The batch computed for 0 to `seqs` sequences [seqs + 1]."""
        batch = np.arange(seqs + 1, dtype=np.float64)
        if not self.captured:
            return batch
        sizes = np.array(self.captured, dtype=np.float64)
        place = np.searchsorted(sizes, batch)
        return np.where(place < len(sizes), sizes[np.minimum(place, len(sizes) - 1)], batch)


def graph_sizes(most: int) -> tuple[int, ...]:
    """Batch sizes that engines capture by default: 1, 2, 4, steps of 8 to 256 and of 16 to 512."""
    sizes = (1, 2, 4, *range(8, 257, 8), *range(272, 513, 16))
    return tuple(size for size in sizes if size <= most)
