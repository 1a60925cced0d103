"""Attention layers as counts: sizes that decide FLOP, cache and weights, for layers of one kind."""

from dataclasses import dataclass


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
    topk_tokens: int | None = None  # block-sparse: keys read per query; all are cached

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
        bias = self.qkv_width + hidden_size if self.bias else 0
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
        """Cached elements per token and layer: the latent and the rotary key."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    def cached_bytes_per_token(self, element: float) -> float:
        """Bytes per token and layer in a cache of `element` bytes a number, the indexer's key included.

        Kernels of sparse attention keep an 8-bit latent with a float32 scale for each 128 numbers, and the
        rotary key in 16 bits (FlashMLA's layout, 656 bytes for DeepSeek-V3.2).
        """
        if not self.index_heads:
            return self.kv_elements_per_token * element
        latent = self.kv_elements_per_token * element
        if element < 2.0:
            latent = self.kv_lora_rank * (element + 4 / 128) + 2.0 * self.qk_rope_head_dim
        return latent + self.index_bytes_per_token

    @property
    def index_bytes_per_token(self) -> int:
        """Bytes the indexer's key takes per token and layer: FP8 values and one float32 scale."""
        return self.index_head_dim + 4 if self.index_heads else 0

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
class CompressedAttention:
    """DeepSeek-V4 attention: one shared key-value head, a window of full entries, and beyond it one
    entry per `ratio` tokens (0: nothing), of which index_topk are read where there is an indexer.

    Queries come from a latent; outputs go through o_groups low-rank projections.
    """

    num_layers: int
    num_heads: int
    head_dim: int
    q_lora_rank: int
    o_groups: int
    o_lora_rank: int
    window_tokens: int
    ratio: int
    index_heads: int = 0
    index_head_dim: int = 0
    index_topk: int | None = None

    @property
    def kv_elements_per_token(self) -> float:
        """Cached elements per token and layer beyond the window."""
        return (self.head_dim + self.index_head_dim) / self.ratio if self.ratio else 0.0

    @property
    def entry_bytes(self) -> int:
        """One stored entry: 8-bit numbers, the rotary part of 64 in 16 bits, and eight bytes of scales."""
        return self.head_dim + 64 + 8

    @property
    def index_bytes(self) -> int:
        """The indexer's key of one entry: FP8 values and one float32 scale."""
        return self.index_head_dim + 4 if self.index_heads else 0

    @property
    def state_row_bytes(self) -> int:
        """A row of compressor state: keys and scores in float32, twice as wide where entries overlap."""
        if not self.ratio:
            return 0
        overlap = 2 if self.index_heads else 1
        return 2 * overlap * (self.head_dim + self.index_head_dim) * 4

    def query_params(self) -> int:
        """Weights that make queries from the latent."""
        return self.q_lora_rank * self.num_heads * self.head_dim

    def output_params(self, hidden_size: int) -> int:
        """Weights of the grouped low-rank output projection."""
        inner = self.num_heads * self.head_dim * self.o_lora_rank
        return inner + self.o_groups * self.o_lora_rank * hidden_size

    def plain_params(self, hidden_size: int) -> int:
        """Weights of compressor and indexer, which are not quantised."""
        compressor = 2 * hidden_size * self.head_dim if self.ratio else 0
        indexer = self.q_lora_rank * self.index_heads * self.index_head_dim
        indexer += hidden_size * (2 * self.index_head_dim + self.index_heads) if self.index_heads else 0
        return compressor + indexer

    def shared_params(self, hidden_size: int) -> int:
        """Weights that every rank holds: projections into latent and key space, compressor, indexer."""
        return hidden_size * (self.q_lora_rank + self.head_dim) + self.plain_params(hidden_size)

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer's attention."""
        return self.query_params() + self.output_params(hidden_size) + self.shared_params(hidden_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearAttention:
    """A layer whose past is a fixed-size state: gated delta net, Mamba-2, Kimi delta attention.

    in_width and out_width are the columns into and out of the mixer; state_elements is the
    recurrent state per sequence and layer; conv_elements that of the short convolution, which runs
    over conv_channels. kind names the recurrence (gdn, kda, mamba2).
    """

    num_layers: int
    in_width: int
    out_width: int
    state_elements: int
    conv_elements: int
    num_heads: int
    extra_params: int = 0
    kind: str = ""
    conv_channels: int = 0

    kv_elements_per_token: int = 0

    def params_per_layer(self, hidden_size: int) -> int:
        """Weights of one layer's mixer."""
        return hidden_size * (self.in_width + self.out_width) + self.extra_params


AttentionGroup = GqaAttention | MlaAttention | CompressedAttention | LinearAttention
