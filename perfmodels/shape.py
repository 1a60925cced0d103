"""A transformer as counts: layer groups with the sizes that decide FLOP and bytes.

A model is a tuple of attention groups and a tuple of feed-forward groups; each group says how many
layers it has, so that patterns (sliding windows, first dense layers, hybrids) cost nothing extra.
"""

from dataclasses import dataclass, field

from perfmodels.attention import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    LinearAttention,
    MlaAttention,
)
from perfmodels.ffn import DenseFfn, FfnGroup, MoeFfn

__all__ = [
    "AttentionGroup",
    "CompressedAttention",
    "DenseFfn",
    "FfnGroup",
    "GqaAttention",
    "LinearAttention",
    "MlaAttention",
    "ModelShape",
    "MoeFfn",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """A model's text tower. notes says what was assumed where the config was not understood."""

    name: str
    family: str
    hidden_size: int
    vocab_size: int
    num_layers: int
    attention: tuple[AttentionGroup, ...]
    ffn: tuple[FfnGroup, ...]
    tied_embeddings: bool = False
    max_context_tokens: int = 131072
    mtp_layers: int = 0
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if min(self.hidden_size, self.vocab_size, self.num_layers) < 1 or not self.attention:
            raise ValueError(
                f"{self.name}: hidden size, vocabulary and layers must be positive, got "
                f"{self.hidden_size}, {self.vocab_size}, {self.num_layers}"
            )

        for group in (*self.attention, *self.ffn):
            sizes = {name: getattr(group, name) for name in group.__slots__}
            negative = [name for name, value in sizes.items() if isinstance(value, int) and value < 0]
            if negative or group.num_layers < 1:
                raise ValueError(f"{self.name}: {type(group).__name__} has impossible sizes: {sizes}")

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes to experts."""
        return any(isinstance(group, MoeFfn) for group in self.ffn)

    @property
    def is_mla(self) -> bool:
        """Whether any layer caches a latent instead of keys and values."""
        return any(isinstance(group, MlaAttention | CompressedAttention) for group in self.attention)

    @property
    def architecture_class(self) -> str:
        """dense, gqa_moe or mla_moe: what decides which splits Dynamo considers."""
        if not self.is_moe:
            return "dense"
        return "mla_moe" if self.is_mla else "gqa_moe"

    @property
    def num_heads(self) -> int:
        """The most query heads any layer has."""
        return max(group.num_heads for group in self.attention)
