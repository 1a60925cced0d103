"""A transformer as counts: groups of attention and feed-forward layers with their sizes."""

from dataclasses import dataclass, field

from perfmodels.model.attention import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    LinearAttention,
    MlaAttention,
)

# --- Feed-forward layers as counts: dense, or a mixture of experts.


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseFfn:
    """A dense feed-forward layer; matrices is 3 when gated (SwiGLU), else 2."""

    num_layers: int
    intermediate_size: int
    matrices: int = 3

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer."""
        return self.matrices * hidden_size * self.intermediate_size


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeFfn:
    """A mixture of experts: a router, num_experts routed experts, an optional shared expert.

    latent_size: routed experts work in a narrower space (Nemotron-3); None is the hidden size.
    """

    num_layers: int
    num_experts: int
    top_k: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    matrices: int = 3
    latent_size: int | None = None
    expert_bias: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.top_k <= self.num_experts:
            raise ValueError(f"top_k must be in 1..num_experts, got {self.top_k} of {self.num_experts}")

    def expert_width(self, hidden_size: int) -> int:
        """Width that routed experts read and write."""
        return self.latent_size or hidden_size

    def params_per_expert(self, hidden_size: int) -> int:
        """Weights of one routed expert."""
        width = self.expert_width(hidden_size)
        bias = (self.matrices - 1) * self.intermediate_size + width if self.expert_bias else 0
        return self.matrices * width * self.intermediate_size + bias

    def always_on_params(self, hidden_size: int) -> int:
        """Weights every token passes: router, shared expert, projections into the latent space."""
        shared = self.matrices * hidden_size * self.shared_intermediate_size
        latent = 2 * hidden_size * self.latent_size if self.latent_size else 0
        return hidden_size * self.num_experts + shared + latent

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer, all experts."""
        return self.num_experts * self.params_per_expert(hidden_size) + self.always_on_params(hidden_size)


FfnGroup = DenseFfn | MoeFfn


# --- A transformer as counts: layer groups with the sizes that decide FLOP and bytes.
# A model is a tuple of attention groups and a tuple of feed-forward groups; each group says how many
# layers it has, so that patterns (sliding windows, first dense layers, hybrids) cost nothing extra.


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
    """A model's text tower. notes says what was assumed where the config was not understood.

    streams: copies of the residual stream that layers keep (hyper-connections); 1 for most.
    """

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
    streams: int = 1
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
