"""Host side of our Triton kernels: same arguments and results as the functions of reference."""

from dataclasses import dataclass

import kernels_triton as kernels
import torch
import triton
from routing import Aligned, align
from torch import Tensor

LABEL = "own triton kernel"
BLOCK_KEYS = 64
MAX_SPLITS = 128
PROGRAMS_WANTED = 528  # four per multiprocessor of an H200: enough loads in flight to fill the memory system


def empty_kernel(x: Tensor) -> Tensor:
    """Launch the kernel that does nothing."""
    kernels.empty[(1,)](x)
    return x


def rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """See reference.rms_norm."""
    out, total = torch.empty_like(x), torch.empty_like(x)
    tokens, hidden = x.shape
    block = triton.next_power_of_2(hidden)
    warps = 8 if block >= 4096 else 4
    kernels.rms_norm[(tokens,)](x, residual, weight, out, total, hidden, eps, BLOCK=block, num_warps=warps)
    return out, total


def silu_mul(x: Tensor) -> Tensor:
    """See reference.silu_mul."""
    tokens, inter = x.shape[0], x.shape[1] // 2
    out = torch.empty(tokens, inter, dtype=x.dtype, device=x.device)
    kernels.silu_mul[(tokens, triton.cdiv(inter, 1024))](x, out, inter, BLOCK=1024, num_warps=4)
    return out


def rope(x: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """See reference.rope."""
    tokens, heads, head_dim = x.shape
    block = triton.next_power_of_2(heads)
    kernels.rope[(tokens,)](x, table, positions, heads, HALF=head_dim // 2, BLOCK_H=block, num_warps=4)
    return x


def num_splits(seqs: int, kv_heads: int, keys: int) -> int:
    """Splits of each sequence's keys: enough programs to fill the GPU, at least 4 blocks in each split."""
    wanted = triton.cdiv(PROGRAMS_WANTED, seqs * kv_heads)
    return max(1, min(wanted, triton.cdiv(keys, 4 * BLOCK_KEYS), MAX_SPLITS))


def paged_decode(q: Tensor, cache_k: Tensor, cache_v: Tensor, pages: Tensor, keys: Tensor) -> Tensor:
    """See reference.paged_decode; the table of pages bounds the keys, so that no length is read back."""
    seqs, heads, head_dim = q.shape
    page, kv_heads = cache_k.shape[1], cache_k.shape[2]
    bound = pages.shape[1] * page
    splits = num_splits(seqs, kv_heads, bound)
    split_keys = triton.cdiv(triton.cdiv(bound, splits), BLOCK_KEYS) * BLOCK_KEYS
    part = torch.empty(seqs * heads, splits, head_dim, dtype=torch.float32, device=q.device)
    lse = torch.empty(seqs * heads, splits, dtype=torch.float32, device=q.device)
    out = torch.empty_like(q)
    group = heads // kv_heads
    kernels.decode_split[(seqs, kv_heads, splits)](
        q, cache_k, cache_v, pages, keys, part, lse, head_dim**-0.5, split_keys, pages.shape[1],
        splits, KV_HEADS=kv_heads, GROUP=group, GROUP_PAD=max(16, triton.next_power_of_2(group)),
        HEAD_DIM=head_dim, PAGE=page, BLOCK_N=BLOCK_KEYS, num_warps=4, num_stages=2,
    )  # fmt: skip
    padded = triton.next_power_of_2(splits)
    kernels.decode_combine[(seqs * heads,)](
        part, lse, out, splits, SPLITS_PAD=padded, HEAD_DIM=head_dim, num_warps=4
    )
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Sizes of one program's tile and how it is compiled."""

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int


def candidate_tiles(rows_per_expert: float) -> tuple[Tiles, ...]:
    """Tiles worth trying for so many rows per expert, from what fused mixture kernels commonly use."""
    if rows_per_expert <= 16:
        return (
            Tiles(block_m=16, block_n=64, block_k=128, warps=4, stages=4),
            Tiles(block_m=16, block_n=128, block_k=64, warps=4, stages=4),
        )
    if rows_per_expert <= 128:
        return (
            Tiles(block_m=32, block_n=128, block_k=64, warps=4, stages=4),
            Tiles(block_m=64, block_n=128, block_k=64, warps=4, stages=4),
        )
    return (
        Tiles(block_m=64, block_n=128, block_k=64, warps=4, stages=4),
        Tiles(block_m=128, block_n=128, block_k=64, warps=8, stages=4),
    )


def moe_gemm_aligned(
    a: Tensor, weights: Tensor, aligned: Aligned, num_slots: int, tiles: Tiles, scale: Tensor | None = None
) -> Tensor:
    """The product for choices that are sorted already; a has one row per token or per slot."""
    _, n, k = weights.shape
    if k % tiles.block_k:
        raise ValueError(f"k = {k} is no multiple of block_k = {tiles.block_k}")
    out = torch.empty(num_slots, n, dtype=a.dtype, device=a.device)
    blocks = aligned.block_expert.shape[0]
    kernels.moe_gemm[(blocks * triton.cdiv(n, tiles.block_n),)](
        a, weights, out, a if scale is None else scale, aligned.slots, aligned.block_expert, aligned.padded,
        n, k, num_slots, blocks,
        SHARE=num_slots // a.shape[0], SCALED=scale is not None, GROUP_M=8,
        BLOCK_M=tiles.block_m, BLOCK_N=tiles.block_n, BLOCK_K=tiles.block_k,
        num_warps=tiles.warps, num_stages=tiles.stages,
    )  # fmt: skip
    return out


def moe_gemm(a: Tensor, weights: Tensor, topk_ids: Tensor, scale: Tensor | None = None) -> Tensor:
    """See reference.moe_gemm: sorts the choices, then multiplies."""
    tiles = candidate_tiles(topk_ids.numel() / weights.shape[0])[0]
    aligned = align(topk_ids, weights.shape[0], tiles.block_m)
    return moe_gemm_aligned(a, weights, aligned, topk_ids.numel(), tiles, scale)
