"""Our Triton kernels, in their simplest well-known forms.

Rows are contiguous; sums are taken in float32; every kernel writes each element of its output once.
"""
# ruff: noqa: N803, PLR0913, PLR0917  a kernel takes its pointers and sizes one by one, constants in capitals

import triton
import triton.language as tl


@triton.jit
def empty(x):
    """Do nothing: what is left is the launch."""


@triton.jit
def rms_norm(x, residual, weight, out, total_out, hidden, eps, BLOCK: tl.constexpr):
    """One row per program: x + residual, and its root-mean-square norm times weight."""
    row = tl.program_id(0).to(tl.int64) * hidden
    cols = tl.arange(0, BLOCK)
    inside = cols < hidden
    total = tl.load(x + row + cols, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(residual + row + cols, mask=inside, other=0.0).to(tl.float32)
    tl.store(total_out + row + cols, total.to(total_out.dtype.element_ty), mask=inside)
    scale = 1.0 / tl.sqrt(tl.sum(total * total, axis=0) / hidden + eps)
    gain = tl.load(weight + cols, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row + cols, (total * scale * gain).to(out.dtype.element_ty), mask=inside)


@triton.jit
def silu_mul(x, out, inter, BLOCK: tl.constexpr):
    """One block of one row per program: silu(gate) * up; a row of x holds gate, then up."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = cols < inter
    gate = tl.load(x + row * 2 * inter + cols, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(x + row * 2 * inter + inter + cols, mask=inside, other=0.0).to(tl.float32)
    value = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(out + row * inter + cols, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def rope(x, table, positions, heads, HALF: tl.constexpr, BLOCK_H: tl.constexpr):
    """Rotate all heads of one token in place; HALF is half of head_dim."""
    token = tl.program_id(0).to(tl.int64)
    position = tl.load(positions + token).to(tl.int64)
    dims = tl.arange(0, HALF)
    cos = tl.load(table + position * 2 * HALF + dims).to(tl.float32)[None, :]
    sin = tl.load(table + position * 2 * HALF + HALF + dims).to(tl.float32)[None, :]
    head = tl.arange(0, BLOCK_H)
    inside = (head < heads)[:, None]
    first_at = x + (token * heads + head)[:, None] * 2 * HALF + dims[None, :]
    first = tl.load(first_at, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(first_at + HALF, mask=inside, other=0.0).to(tl.float32)
    tl.store(first_at, (first * cos - second * sin).to(x.dtype.element_ty), mask=inside)
    tl.store(first_at + HALF, (second * cos + first * sin).to(x.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["splits", "pages_per_seq"])
def decode_split(
    q, cache_k, cache_v, pages, lengths, part, part_lse, scale, split_keys, pages_per_seq, splits,
    KV_HEADS: tl.constexpr, GROUP: tl.constexpr, GROUP_PAD: tl.constexpr,
    HEAD_DIM: tl.constexpr, PAGE: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Attention of the GROUP query heads of one key head over one split of one sequence's keys."""
    seq = tl.program_id(0)
    kv_head = tl.program_id(1)
    split = tl.program_id(2)
    first = split * split_keys
    last = tl.minimum(first + split_keys, tl.load(lengths + seq))
    rows = tl.arange(0, GROUP_PAD)
    dims = tl.arange(0, HEAD_DIM)
    inside = rows < GROUP
    head = (seq * KV_HEADS + kv_head) * GROUP + rows
    query = tl.load(q + head[:, None] * HEAD_DIM + dims[None, :], mask=inside[:, None], other=0.0)
    peak = tl.full([GROUP_PAD], float("-inf"), tl.float32)
    total = tl.zeros([GROUP_PAD], tl.float32)
    acc = tl.zeros([GROUP_PAD, HEAD_DIM], tl.float32)
    for start in range(first, last, BLOCK_N):
        at = start + tl.arange(0, BLOCK_N)
        valid = at < last
        page = tl.load(pages + seq * pages_per_seq + at // PAGE, mask=valid, other=0).to(tl.int64)
        slot = ((page * PAGE + at % PAGE) * KV_HEADS + kv_head) * HEAD_DIM
        key = tl.load(cache_k + slot[None, :] + dims[:, None], mask=valid[None, :], other=0.0)
        score = tl.where(valid[None, :], tl.dot(query, key) * scale, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, axis=1))
        fade = tl.exp(peak - new_peak)
        weight = tl.exp(score - new_peak[:, None])
        value = tl.load(cache_v + slot[:, None] + dims[None, :], mask=valid[:, None], other=0.0)
        acc = acc * fade[:, None] + tl.dot(weight.to(value.dtype), value)
        total = total * fade + tl.sum(weight, axis=1)
        peak = new_peak
    sure = tl.where(total > 0.0, total, 1.0)  # a split past the end of the sequence adds nothing
    at_part = head.to(tl.int64) * splits + split
    tl.store(part + at_part[:, None] * HEAD_DIM + dims[None, :], acc / sure[:, None], mask=inside[:, None])
    tl.store(part_lse + at_part, peak + tl.log(sure), mask=inside)


@triton.jit(do_not_specialize=["splits"])
def decode_combine(part, part_lse, out, splits, SPLITS_PAD: tl.constexpr, HEAD_DIM: tl.constexpr):
    """Weigh the splits of one (sequence, head) by their log-sum-exp; split 0 is never empty."""
    row = tl.program_id(0).to(tl.int64)
    split = tl.arange(0, SPLITS_PAD)
    dims = tl.arange(0, HEAD_DIM)
    inside = split < splits
    lse = tl.load(part_lse + row * splits + split, mask=inside, other=float("-inf"))
    weight = tl.exp(lse - tl.max(lse, axis=0))
    at = part + (row * splits + split)[:, None] * HEAD_DIM + dims[None, :]
    parts = tl.load(at, mask=inside[:, None], other=0.0)
    value = tl.sum(parts * weight[:, None], axis=0) / tl.sum(weight, axis=0)
    tl.store(out + row * HEAD_DIM + dims, value.to(out.dtype.element_ty))


@triton.jit(do_not_specialize=["num_slots", "max_blocks"])
def moe_gemm(
    a, weights, c, scale, sorted_slots, block_expert, padded, n, k, num_slots, max_blocks,
    SHARE: tl.constexpr, SCALED: tl.constexpr, GROUP_M: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """One tile of one expert's product; rows are gathered by slot, SHARE slots read the same row of a.

    k is a multiple of BLOCK_K; blocks at and after padded rows have nothing to do.
    """
    pid = tl.program_id(0)
    per_group = GROUP_M * tl.cdiv(n, BLOCK_N)
    first_m = (pid // per_group) * GROUP_M
    group_m = tl.minimum(max_blocks - first_m, GROUP_M)
    pid_m = first_m + (pid % per_group) % group_m
    pid_n = (pid % per_group) // group_m
    if pid_m * BLOCK_M >= tl.load(padded):
        return
    slot = tl.load(sorted_slots + pid_m * BLOCK_M + tl.arange(0, BLOCK_M)).to(tl.int64)
    real = slot < num_slots
    expert = tl.load(block_expert + pid_m).to(tl.int64)
    cols = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    at_a = a + (slot // SHARE)[:, None] * k + depth[None, :]
    at_w = weights + expert * n * k + (cols % n)[None, :] * k + depth[:, None]
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for _ in range(0, tl.cdiv(k, BLOCK_K)):
        rows = tl.load(at_a, mask=real[:, None], other=0.0)
        acc += tl.dot(rows, tl.load(at_w))
        at_a += BLOCK_K
        at_w += BLOCK_K
    if SCALED:
        acc *= tl.load(scale + slot, mask=real, other=0.0).to(tl.float32)[:, None]
    at_c = c + slot[:, None] * n + cols[None, :]
    tl.store(at_c, acc.to(c.dtype.element_ty), mask=real[:, None] & (cols < n)[None, :])
