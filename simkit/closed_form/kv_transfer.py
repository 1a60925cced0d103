"""What disaggregation would cost where KV cache travels by TCP instead of RDMA."""

import math
from dataclasses import replace

from perfmodels.hardware import rdma_path, tcp_path
from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Disaggregated
from simkit.core.errors import SimkitError
from simkit.core.estimate import Candidate

_ENABLE = "set hardware.rdma: true once the nodes have it, or consider --mode agg"


def handover_warning(problem: Problem, best: Candidate) -> str | None:
    """A warning with both TTFTs, None where nothing is handed over; for requests that name no fabric."""
    rdma = problem.request.hardware.rdma
    if not isinstance(best.deployment, Disaggregated) or problem.request.deploy.mocker:
        return None
    fast, slow = _ttft_ms(problem, best, tcp=False), _ttft_ms(problem, best, tcp=True)
    if fast is None or slow is None:
        return None
    if rdma is False:
        return (
            f"without RDMA the KV cache goes from prefill to decode over TCP: {_told(slow)} is predicted, "
            f"{_told(fast)} with RDMA{_longer(slow)}; {_ENABLE}"
        )
    assumed = f" ({_told(fast)})" if math.isfinite(fast) else ""
    return (
        f"RDMA between nodes is assumed{assumed}, and the DGD asks for no RDMA devices; without "
        f"them the KV cache goes over TCP and no error is reported: {_told(slow)} is predicted then"
        f"{_longer(slow)}; {_ENABLE}"
    )


def _longer(ttft_ms: float) -> str:
    """What the model leaves out, where it can still make a difference."""
    return ", longer still with copies through host memory" if math.isfinite(ttft_ms) else ""


def _told(ttft_ms: float) -> str:
    """A TTFT in words; the link may be too slow for the load at all."""
    return f"TTFT {ttft_ms:,.0f} ms" if math.isfinite(ttft_ms) else "a TTFT that grows without end"


def _ttft_ms(problem: Problem, best: Candidate, *, tcp: bool) -> float | None:
    """Mean TTFT of the deployment at its own load, with caches travelling one way or the other."""
    link = problem.engines[0].device.inter_node.bandwidth_bytes_per_s
    workload = problem.request.workload
    if workload.request_rate_per_s is None:
        workload = replace(workload, concurrency=best.estimate.concurrency)
    path = tcp_path() if tcp else rdma_path(link)
    if path == problem.path:  # what was asked in the first place
        return best.estimate.ttft.mean_s * 1e3
    asked = replace(problem, request=replace(problem.request, workload=workload), path=path)
    try:
        return deployment_candidate(asked, best.deployment).estimate.ttft.mean_s * 1e3
    except SimkitError:  # the deployment stands; only this comparison cannot be made
        return None
