"""Which rows go to which expert: the sorted slots that our grouped kernel gathers by."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Slots (token * topk + choice) sorted by expert, each expert's padded to whole blocks.

    slots (max rows,) int32, number of slots where padded; block_expert (max blocks,) int32; padded (1,) int32
    rows in use. The sizes depend on shapes alone, so that a CUDA graph can hold the computation.
    """

    slots: Tensor
    block_expert: Tensor
    padded: Tensor


def align(topk_ids: Tensor, experts: int, block: int) -> Aligned:
    """Sort the choices (tokens, topk) of experts into blocks of one expert each."""
    chosen = topk_ids.flatten().long()
    num = chosen.numel()
    counts = torch.zeros(experts, dtype=torch.long, device=chosen.device)
    counts.scatter_add_(0, chosen, torch.ones_like(chosen))
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    order = chosen.argsort(stable=True)
    by_expert = chosen[order]
    rank = torch.arange(num, device=chosen.device) - (counts.cumsum(0) - counts)[by_expert]
    max_rows = -(-(num + min(num, experts) * (block - 1)) // block) * block
    slots = torch.full((max_rows,), num, dtype=torch.int32, device=chosen.device)
    slots[(ends - padded)[by_expert] + rank] = order.int()
    starts = torch.arange(0, max_rows, block, device=chosen.device)
    block_expert = torch.searchsorted(ends, starts, right=True).clamp(max=experts - 1)
    return Aligned(slots=slots, block_expert=block_expert.int(), padded=ends[-1:].int())


def random_choices(tokens: int, experts: int, topk: int, device: str) -> Tensor:
    """Distinct experts per token, all equally likely: what random router weights give."""
    return torch.rand(tokens, experts, device=device).topk(topk, dim=-1).indices.int()
