"""The settings of one engine. What is known of each engine by name is in `simkit.engines`."""

from dataclasses import dataclass
from typing import Literal

from simkit.core.draft import Draft
from simkit.core.errors import InputError

Role = Literal["aggregated", "prefill", "decode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The settings of one engine that change its speed or memory. None: the engine's own default.

    backend is a name that `engines.registry` knows. memory_frac is the share of device memory that the
    engine may use or, for some engines, of what the weights leave free. max_model_len is the longest
    prompt plus output the engine accepts; None is the model's own limit. poll_steps: decode steps between
    two looks at the inbox of new requests; hold_steps: decode steps for which prompts are held back to be
    batched. Both trade TTFT for throughput. speculative: a draft is used whose acceptance is not known, and
    drafting its method where that is named; draft: one whose acceptance is given. cache_tokens and
    cache_bytes: the size of a rank's KV cache where it is set by hand.
    """

    backend: str
    version: str | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    memory_frac: float | None = 0.9
    kv_block_tokens: int = 16
    mixed_steps: bool = True  # prefill chunks share a step with decodes; else prefill goes first
    prefix_caching: bool = True
    cuda_graphs: bool = True
    speculative: bool = False
    drafting: str = ""
    draft: Draft | None = None
    max_model_len: int | None = None
    poll_steps: int = 0
    hold_steps: int = 0
    cache_tokens: int | None = None
    cache_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_num_batched_tokens", "kv_block_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"engine.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("poll_steps", "hold_steps"):
            if getattr(self, name) < 0:
                raise InputError(f"engine.{name} must not be negative, got {getattr(self, name)}")
        if self.memory_frac is not None and not 0 < self.memory_frac <= 1:
            raise InputError(f"engine.memory_frac must be in (0, 1], got {self.memory_frac}")
        if min(self.cache_tokens or 1, self.cache_bytes or 1) < 1:
            raise InputError("engine.cache_tokens and cache_bytes must be at least 1")
        if self.max_model_len is not None and self.max_model_len < 1:
            raise InputError(f"engine.max_model_len must be at least 1, got {self.max_model_len}")

    @property
    def queries(self) -> int:
        """Tokens of one decoding sequence in a step."""
        return 1 if self.draft is None else self.draft.queries

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a decoding sequence gains in a step."""
        return 1.0 if self.draft is None else self.draft.tokens_per_step
