"""Sizes of the layers measured, copied from the models' config.json (data/models/<file>.json, named below).

The script runs where the repository's packages may be missing, so the sizes stand here as numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """One model's sizes: elements per token, heads, and the tensor-parallel splits measured."""

    name: str
    hidden: int
    heads: int
    kv_heads: int
    inter: int  # of one expert in a mixture
    vocab: int
    experts: int = 0
    topk: int = 0
    splits: tuple[int, ...] = (1, 2, 4)
    head_dim: int = 128


MODELS = (
    # data/models/Qwen--Qwen3-8B.json
    Layers(name="Qwen3-8B", hidden=4096, heads=32, kv_heads=8, inter=12288, vocab=151936),
    # data/models/Qwen--Qwen3-32B.json
    Layers(name="Qwen3-32B", hidden=5120, heads=64, kv_heads=8, inter=25600, vocab=151936),
    # data/models/meta-llama--Meta-Llama-3.1-8B.json
    Layers(name="Llama-3.1-8B", hidden=4096, heads=32, kv_heads=8, inter=14336, vocab=128256),
    # data/models/Qwen--Qwen3-30B-A3B.json (inter is moe_intermediate_size)
    Layers(
        name="Qwen3-30B-A3B", hidden=2048, heads=32, kv_heads=4, inter=768, vocab=151936, experts=128, topk=8
    ),
    # data/models/Qwen--Qwen3-0.6B.json: too small to be split
    Layers(name="Qwen3-0.6B", hidden=1024, heads=16, kv_heads=8, inter=3072, vocab=151936, splits=(1,)),
)
MIXTURE = next(model for model in MODELS if model.experts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A matrix product of a layer: k inputs, n outputs per token."""

    name: str
    origin: str
    n: int
    k: int


def products(model: Layers, tp: int) -> Iterator[Product]:
    """The dense products of one layer and the output head when split over tp GPUs."""
    queries, keys = model.heads * model.head_dim // tp, model.kv_heads * model.head_dim // tp
    origin = f"{model.name} tp{tp}"
    yield Product(name="qkv", origin=origin, n=queries + 2 * keys, k=model.hidden)
    yield Product(name="o", origin=origin, n=model.hidden, k=queries)
    if model.experts:
        yield Product(name="router", origin=origin, n=model.experts, k=model.hidden)
    else:
        yield Product(name="gate_up", origin=origin, n=2 * model.inter // tp, k=model.hidden)
        yield Product(name="down", origin=origin, n=model.hidden, k=model.inter // tp)
    yield Product(name="lm_head", origin=origin, n=model.vocab // tp, k=model.hidden)


def distinct_products(splits: tuple[int, ...] = (1, 2, 4)) -> list[Product]:
    """Every product with sizes of its own, unsplit models first: a run cut short loses the least."""
    found: dict[tuple[int, int], Product] = {}
    for tp in splits:
        for model in MODELS:
            if tp in model.splits:
                for product in products(model, tp):
                    found.setdefault((product.n, product.k), product)
    return list(found.values())
