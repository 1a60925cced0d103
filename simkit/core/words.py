"""Deployments and amounts in words."""

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


def gpus(count: int) -> str:
    """`1 GPU`, `4 GPUs`."""
    return f"{count} GPU" + ("" if count == 1 else "s")


def amount(value: float) -> str:
    """`1,804`, `16.3`: three digits, and never an exponent for a large one."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
