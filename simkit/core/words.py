"""Deployments and amounts in words."""

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


def milliseconds(seconds: float) -> str:
    """`455 ms`, `16.3 ms`."""
    value = seconds * 1e3
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def bound_label(name: str) -> str:
    """`TTFT` for ttft_s."""
    return name.removesuffix("_s").upper()
