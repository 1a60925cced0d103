"""The load a candidate was estimated under, as a question of its own."""

from dataclasses import replace

from simkit.core.request import Request


def under_own_load(request: Request, concurrency: float | None) -> Request:
    """The request under the load it names, else under the concurrency that the search found.

    A search for throughput names no load: each candidate is at its best under another one.
    """
    workload = request.workload
    if concurrency is None or workload.concurrency is not None or workload.request_rate_per_s is not None:
        return request
    return replace(request, workload=replace(workload, concurrency=concurrency))
