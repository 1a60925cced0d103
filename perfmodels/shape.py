"""A transformer as counts: layer groups with the sizes that decide FLOP and bytes.

A model is a tuple of attention groups and a tuple of feed-forward groups; each group says how many
layers it has, so that patterns (sliding windows, first dense layers, hybrids) cost nothing extra.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GqaAttention:
    """Grouped-query attention; multi-head when num_kv_heads equals num_heads.

    head_dim is that of queries and keys; v_head_dim that of values. window_tokens limits how far
    back a layer looks; None is the whole context. output_gate: a gate as wide as the queries.
    """

    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    v_head_dim: int
    window_tokens: int | None = None
    output_gate: bool = False
    bias: bool = False
    shares_kv: bool = False  # keys serve as values too (one projection, one cache entry)

    @property
    def kv_elements_per_token(self) -> int:
        """Cached elements per token and layer."""
        width = self.head_dim if self.shares_kv else self.head_dim + self.v_head_dim
        return self.num_kv_heads * width

    @property
    def qkv_width(self) -> int:
        """Output columns of the fused query-key-value projection."""
        queries = self.num_heads * self.head_dim * (2 if self.output_gate else 1)
        return queries + self.kv_elements_per_token

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer's attention."""
        out_width = self.num_heads * self.v_head_dim
        bias = self.qkv_width + (hidden_size if self.bias else 0) if self.bias else 0
        return hidden_size * (self.qkv_width + out_width) + bias


@dataclass(frozen=True, slots=True, kw_only=True)
class MlaAttention:
    """Multi-head latent attention: keys and values are rebuilt from one cached latent per token.

    index_heads > 0 adds a sparse-attention indexer that keeps index_topk keys per query.
    """

    num_layers: int
    num_heads: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    index_heads: int = 0
    index_head_dim: int = 0
    index_topk: int | None = None

    @property
    def kv_elements_per_token(self) -> int:
        """Cached elements per token and layer: the latent, the rotary key, the indexer's key."""
        return self.kv_lora_rank + self.qk_rope_head_dim + (self.index_head_dim if self.index_heads else 0)

    @property
    def qk_head_dim(self) -> int:
        """Query width per head before absorption."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def down_width(self) -> int:
        """Output columns of the projections into latent space."""
        return (self.q_lora_rank or 0) + self.kv_lora_rank + self.qk_rope_head_dim

    def query_params(self, hidden_size: int) -> int:
        """Weights that make queries from latent (or hidden) space."""
        return (self.q_lora_rank or hidden_size) * self.num_heads * self.qk_head_dim

    def kv_up_params(self) -> int:
        """Weights that rebuild keys and values from the latent."""
        return self.kv_lora_rank * self.num_heads * (self.qk_nope_head_dim + self.v_head_dim)

    def indexer_params(self, hidden_size: int) -> int:
        """Weights of the sparse-attention indexer."""
        if not self.index_heads:
            return 0
        queries = (self.q_lora_rank or hidden_size) * self.index_heads * self.index_head_dim
        return queries + hidden_size * (self.index_head_dim + self.index_heads)

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer's attention."""
        return (
            hidden_size * self.down_width
            + self.query_params(hidden_size)
            + self.kv_up_params()
            + self.num_heads * self.v_head_dim * hidden_size
            + self.indexer_params(hidden_size)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearAttention:
    """A layer whose past is a fixed-size state: gated delta net, Mamba-2, Kimi delta attention.

    in_width and out_width are the columns into and out of the mixer; state_elements is the
    recurrent state per sequence and layer; conv_elements that of the short convolution.
    """

    num_layers: int
    in_width: int
    out_width: int
    state_elements: int
    conv_elements: int
    num_heads: int
    extra_params: int = 0

    kv_elements_per_token: int = 0

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer's mixer."""
        return hidden_size * (self.in_width + self.out_width) + self.extra_params


AttentionGroup = GqaAttention | MlaAttention | LinearAttention


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

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes to experts."""
        return any(isinstance(group, MoeFfn) for group in self.ffn)

    @property
    def is_mla(self) -> bool:
        """Whether any layer caches a latent instead of keys and values."""
        return any(isinstance(group, MlaAttention) for group in self.attention)

    @property
    def architecture_class(self) -> str:
        """dense, gqa_moe or mla_moe: what decides which splits Dynamo considers."""
        if not self.is_moe:
            return "dense"
        return "mla_moe" if self.is_mla else "gqa_moe"

    @property
    def max_kv_heads(self) -> int:
        """The most KV heads any layer has; attention cannot split its cache further."""
        heads = [g.num_kv_heads for g in self.attention if isinstance(g, GqaAttention)]
        return max(heads, default=1)

    @property
    def num_heads(self) -> int:
        """The most query heads any layer has."""
        return max(group.num_heads for group in self.attention)
