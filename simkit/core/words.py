"""Deployments and amounts in words."""

import math
from collections.abc import Sequence

from simkit.core.deployment import Aggregated, Deployment


def layout(deployment: Deployment) -> str:
    """`4 x tp4` or `3 prefill x tp2 + 1 decode x tp4`."""
    if isinstance(deployment, Aggregated):
        return f"{deployment.worker.replicas} x {deployment.worker.plan.label}"
    prefill, decode = deployment.prefill, deployment.decode
    return (
        f"{prefill.replicas} prefill x {prefill.plan.label} + {decode.replicas} decode x {decode.plan.label}"
    )


def counted(count: float, noun: str) -> str:
    """`1 point`, `4 points`, `1,200 requests in flight` for `request in flight`."""
    first, _, rest = noun.partition(" ")
    shown = f"{count:,.0f}"
    return " ".join(filter(None, [shown, first + ("" if shown == "1" else "s"), rest]))


def gpus(count: int) -> str:
    """`1 GPU`, `4 GPUs`."""
    return f"{count} GPU" + ("" if count == 1 else "s")


def amount(value: float) -> str:
    """`1,804`, `16.3`: three digits, and never an exponent for a large one.

    Rounded to the six digits that documents hold first, so that all views show the same.
    """
    kept = float(f"{value:.6g}")
    return f"{kept:,.0f}" if kept >= 100 else f"{kept:.3g}"


def at_least(value: float) -> str:
    """An amount that is not below the value: what a bound must be relaxed to."""
    return amount(math.ceil(value / _step(value) * (1.0 - 1e-12)) * _step(value))


def at_most(value: float) -> str:
    """An amount that is not above the value: what is carried at most."""
    return amount(math.floor(value / _step(value) * (1.0 + 1e-12)) * _step(value))


def _step(value: float) -> float:
    return 1.0 if value >= 100 else 10.0 ** (math.floor(math.log10(value)) - 2)


def milliseconds(seconds: float) -> str:
    """`455 ms`, `16.3 ms`."""
    value = seconds * 1e3
    return f"{amount(value)} ms"


def bound_label(name: str) -> str:
    """`TTFT` for ttft_s."""
    return name.removesuffix("_s").upper()


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; last: the word before the last name."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def duration(seconds: float) -> str:
    """A time to wait: `40 s`, `4 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
