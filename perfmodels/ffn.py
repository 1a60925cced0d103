"""Feed-forward layers as counts: dense, or a mixture of experts."""

from dataclasses import dataclass


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
