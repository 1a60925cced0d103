"""What a request says about the engines' own settings; what it leaves open is searched."""

from dataclasses import dataclass

from simkit.core.draft import Draft
from simkit.core.errors import InputError, unknown_name

KV_CHOICES = ("auto", "bf16", "fp8", "both")
# Prompt tokens in one step that engines are run with; fewer spare those who decode, more keep kernels busy.
TOKEN_BUDGETS = (2048, 4096, 8192, 16384)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Engine settings asked for.

    max_num_seqs: most requests that an engine runs at once. max_num_batched_tokens: its token budget, None:
    searched. kv_dtype: auto (as the checkpoint and engine have it), bf16, fp8, or both to search. draft: also
    search with speculative decoding.
    """

    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_dtype: str = "auto"
    draft: Draft | None = None

    def __post_init__(self) -> None:
        if self.kv_dtype not in KV_CHOICES:
            raise unknown_name("KV cache format", self.kv_dtype, KV_CHOICES)
        for name in ("max_num_seqs", "max_num_batched_tokens"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1_000_000:
                raise InputError(f"{name} must be from 1 to 1,000,000, got {value}")
        seqs, budget = self.max_num_seqs, self.max_num_batched_tokens
        if seqs is not None and budget is not None and seqs > budget:
            raise InputError(
                f"max_num_seqs {seqs} exceeds max_num_batched_tokens {budget}: a step must have a token for "
                "every request; raise the second or lower the first"
            )

    @property
    def budgets(self) -> tuple[int, ...]:
        """Token budgets to try beside the engine's own; none where one is asked for."""
        return TOKEN_BUDGETS if self.max_num_batched_tokens is None else ()
