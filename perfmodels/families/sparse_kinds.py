"""What the measured sparse attention layers multiply and cache, from their public model configurations."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseKind:
    """One architecture's layer.

    shared_params: weights every GPU holds, without the indexer, which short prompts skip.
    head_params: weights per query head.
    pair_flop: FLOP per head, query and kept key, in the cheaper of the two ways to order the products.
    kept_tokens: the most keys a query attends to, beyond which it selects.
    kv_elements: least cached elements read per kept key, over all heads.
    """

    hidden: int
    shared_params: int
    head_params: int
    pair_flop: float
    kept_tokens: int
    kv_elements: int


def _latent(hidden: int, q_rank: int, head_dims: tuple[int, int, int], topk: int) -> SparseKind:
    """Multi-head latent attention with latent 512 and rotary 64; head_dims: no-position, rotary, value."""
    nope, rope, value = head_dims
    return SparseKind(
        hidden=hidden,
        shared_params=hidden * (q_rank + 512 + rope),
        head_params=q_rank * (nope + rope) + 512 * (nope + value) + value * hidden,
        pair_flop=2.0 * (nope + rope + value),
        kept_tokens=topk,
        kv_elements=512 + rope,
    )


def _compressed(hidden: int, q_rank: int) -> SparseKind:
    """DeepSeek-V4: one key-value head of 512 in a window of 128 tokens, compressed keys beyond.

    Compressed keys count only through the window: the bound keeps no more than that.
    """
    return SparseKind(
        hidden=hidden,
        shared_params=hidden * (q_rank + 512),
        head_params=q_rank * 512 + 512 * 1024,
        pair_flop=4.0 * 512,
        kept_tokens=128,
        kv_elements=512,
    )


_V32 = _latent(7168, 1536, (128, 64, 128), 2048)
_GLM5 = _latent(6144, 2048, (192, 64, 256), 2048)
# One key-value head at least is on every GPU: 4 in the model, replicated beyond 4 GPUs.
_M3 = SparseKind(
    hidden=6144,
    shared_params=6144 * 2 * 128,
    head_params=6144 * 2 * 128,
    pair_flop=4.0 * 128,
    kept_tokens=16 * 128,
    kv_elements=2 * 128,
)

KINDS = MappingProxyType({
    "dsa-deepseek_v32": _V32,
    "dsa-glm5": _GLM5,
    "dsa_skip-glm5": _GLM5,
    "csa-deepseek_v4_pro": _compressed(7168, 1536),
    "csa-deepseek_v4_flash": _compressed(4096, 1024),
    "hca-deepseek_v4_pro": _compressed(7168, 1536),
    "hca-deepseek_v4_flash": _compressed(4096, 1024),
    "msa-minimax_m3": _M3,
})  # fmt: skip
