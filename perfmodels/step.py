"""What one engine iteration processes on one lane (an attention-DP rank and pipeline stage)."""

from dataclasses import dataclass

from perfmodels.arrays import FloatLike
from perfmodels.model.dtypes import Precision
from perfmodels.model.shape import ModelShape
from perfmodels.parallel import PlanArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One iteration of one lane; all fields broadcast together and with the plans.

    prefill_tokens new prompt tokens, each of which sees prefill_context_tokens keys on average
    (what is cached already plus half of its own chunk); prefill_seqs prompts they belong to;
    decode_seqs sequences that produce one token each, with decode_context_tokens keys on average;
    decode_queries tokens of each go through the model: one, or more where a draft is verified.
    """

    prefill_tokens: FloatLike = 0.0
    prefill_context_tokens: FloatLike = 0.0
    prefill_seqs: FloatLike = 0.0
    decode_seqs: FloatLike = 0.0
    decode_context_tokens: FloatLike = 0.0
    decode_queries: FloatLike = 1.0

    @property
    def tokens(self) -> FloatLike:
        """Rows of every matrix product."""
        return self.prefill_tokens + self.decode_tokens

    @property
    def sampled(self) -> FloatLike:
        """Rows that reach the output head."""
        return self.prefill_seqs + self.decode_tokens

    @property
    def decode_tokens(self) -> FloatLike:
        """Rows that decoding adds."""
        return self.decode_seqs * self.decode_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward pass: which model, stored how, split how, doing what."""

    shape: ModelShape
    precision: Precision
    plan: PlanArray
    step: Step
