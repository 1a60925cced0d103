"""Copies within the GPU and over the host link, and what starting kernels costs."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from cases import Call, Case, Settings
from ops import kernels_for
from timing import rotation

ON_DEVICE_BYTES = tuple(1 << power for power in range(12, 31, 2))
OVER_LINK_BYTES = tuple(1 << power for power in range(12, 29, 2))
CHAINS = (1, 10, 100, 500)


def _on_device_call(settings: Settings, size: int) -> Call:
    sets = rotation(2 * size) if settings.on_gpu else 1
    pairs = []
    for _ in range(sets):
        source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=settings.device)
        pairs.append((torch.empty_like(source), source))

    def call(index: int) -> Any:
        target, source = pairs[index % sets]
        return target.copy_(source)

    return call


def _link_call(settings: Settings, size: int, to_device: bool) -> Call:
    host = torch.randint(0, 255, (size,), dtype=torch.uint8)
    if settings.on_gpu:
        host = host.pin_memory()
    there = torch.empty(size, dtype=torch.uint8, device=settings.device)
    target, source = (there, host) if to_device else (host, there)
    return lambda _: target.copy_(source, non_blocking=True)


def copy_cases(settings: Settings) -> Iterator[Case]:
    """bytes are those copied once; a copy within the GPU reads and writes as many."""
    for size in settings.pick(ON_DEVICE_BYTES, (4096,)):
        make = partial(_on_device_call, settings, size)
        yield Case(family="copy", name="d2d", variant="torch", sizes={"bytes": size}, make=make, note="cold")
    for name, to_device in (("h2d", True), ("d2h", False)):
        for size in settings.pick(OVER_LINK_BYTES, (4096,)):
            yield Case(
                family="copy",
                name=name,
                variant="pinned",
                sizes={"bytes": size},
                make=partial(_link_call, settings, size, to_device),
                modes=("eager",),
                flush=False,
            )


def _launch_call(settings: Settings, kind: str) -> Call:
    x = torch.zeros(1, device=settings.device)
    empty = kernels_for(settings.device).empty_kernel
    if kind == "empty":
        return lambda _: empty(x)
    return lambda _: x.add_(1.0)


def _linear_call(settings: Settings) -> Call:
    size = settings.pick(1024, 16)
    x = torch.randn(1, size, device=settings.device, dtype=torch.bfloat16)
    weight = torch.randn(size, size, device=settings.device, dtype=torch.bfloat16)
    return lambda _: torch.nn.functional.linear(x, weight)


def launch_cases(settings: Settings) -> Iterator[Case]:
    """Time per kernel in a chain of kernels that do next to nothing; n is the length of the chain."""
    label = kernels_for(settings.device).LABEL
    kinds: tuple[tuple[str, Any, str], ...] = (
        ("empty", partial(_launch_call, settings, "empty"), label),
        ("torch_add", partial(_launch_call, settings, "add"), "torch add of one element"),
        ("torch_linear", partial(_linear_call, settings), "1 x 1024 x 1024 bf16, warm"),
    )
    for name, make, note in kinds:
        for chain in settings.pick(CHAINS, (1, 4)):
            yield Case(
                family="launch",
                name=name,
                variant=f"chain{chain}",
                sizes={"n": chain},
                make=make,
                modes=("graph", "eager", "host"),
                copies=chain,
                flush=False,
                note=note,
            )
