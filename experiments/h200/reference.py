"""Plain torch forms of our kernels: the truth they are checked against, and the stand-in on a CPU."""

import torch
from torch import Tensor

LABEL = "plain torch reference"


def empty_kernel(x: Tensor) -> Tensor:
    """The least there is to launch."""
    return x.add_(0)


def rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """(norm of x + residual, x + residual), rows of hidden elements."""
    total = x.float() + residual.float()
    scale = torch.rsqrt(total.square().mean(-1, keepdim=True) + eps)
    return (total * scale * weight.float()).to(x.dtype), total.to(x.dtype)


def silu_mul(x: Tensor) -> Tensor:
    """silu of the first half of each row times its second half."""
    gate, up = x.float().chunk(2, dim=-1)
    return (torch.nn.functional.silu(gate) * up).to(x.dtype)


def rope(x: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """Rotate x (tokens, heads, head_dim) in place; table holds cosines then sines per position."""
    cos, sin = table[positions].float().unsqueeze(1).chunk(2, dim=-1)
    first, second = x.float().chunk(2, dim=-1)
    x.copy_(torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1))
    return x


def paged_decode(q: Tensor, cache_k: Tensor, cache_v: Tensor, pages: Tensor, keys: Tensor) -> Tensor:
    """One new token per sequence over its paged keys.

    q (seqs, heads, head_dim); caches (pages, page, kv_heads, head_dim); pages (seqs, pages per sequence) are
    the numbers of each sequence's pages; keys (seqs,) its length.
    """
    out = torch.empty_like(q)
    group = q.shape[1] // cache_k.shape[2]
    for seq, length in enumerate(keys.tolist()):
        k = cache_k[pages[seq].long()].flatten(0, 1)[:length].float().repeat_interleave(group, dim=1)
        v = cache_v[pages[seq].long()].flatten(0, 1)[:length].float().repeat_interleave(group, dim=1)
        scores = torch.einsum("hd,nhd->hn", q[seq].float(), k) * q.shape[-1] ** -0.5
        out[seq] = torch.einsum("hn,nhd->hd", scores.softmax(-1), v).to(q.dtype)
    return out


def moe_gemm(a: Tensor, weights: Tensor, topk_ids: Tensor, scale: Tensor | None = None) -> Tensor:
    """Rows of a times their expert's weights (experts, n, k); one result row per (token, choice).

    a holds one row per token, or already one row per (token, choice); scale multiplies each result row.
    """
    chosen = topk_ids.flatten().long()
    rows = a if len(a) == len(chosen) else a.repeat_interleave(topk_ids.shape[1], dim=0)
    out = torch.empty(len(chosen), weights.shape[1], dtype=a.dtype, device=a.device)
    for expert in chosen.unique().tolist():
        mine = chosen == expert
        product = rows[mine].float() @ weights[expert].float().t()
        if scale is not None:
            product = product * scale.flatten()[mine].float().unsqueeze(1)
        out[mine] = product.to(a.dtype)
    return out
