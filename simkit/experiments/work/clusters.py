"""Blocks handed to a Dask or Ray cluster that runs already; its workers need the same simkit and data."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.evaluate import PointTask
from simkit.experiments.points import PointBlock
from simkit.experiments.provenance import artifact_hashes
from simkit.experiments.work.workers import Crew, Result, result
from simkit.verbs.recommend import versions

_WAITING = 2  # blocks handed over for every worker
_CONNECT_S = 20
_LOOK_S = 5  # between looks whether a cluster from which nothing comes is still there
_RESULT_S = 60  # for a result that is ready to arrive
Futures = list[Any]


@contextmanager
def cluster_crew(address: str) -> Iterator[Crew]:
    """The workers of a cluster. Raises InputError for an address of another kind, ExternalError for none."""
    kind, _, place = address.partition("://")
    if kind not in ("dask", "ray") or not place:
        raise InputError(f"--cluster {address!r}: expected dask://HOST:PORT or ray://HOST:PORT; correct it")
    with _dask(place) if kind == "dask" else _ray(address) as crew:
        yield crew


def identity() -> dict[str, Any]:
    """What results of a worker depend on."""
    return {"versions": versions(), "artifacts": artifact_hashes()}


@contextmanager
def _dask(place: str) -> Iterator[Crew]:
    try:
        from dask.distributed import Client, wait
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise InputError("--cluster dask:// needs Dask; pip install 'dynamo-simkit[dask]'") from error
    try:
        client = Client(f"tcp://{place}", timeout=_CONNECT_S)
    except OSError as error:
        raise ExternalError(
            f"dask://{place}: no scheduler answers ({error}); start one, or correct it"
        ) from error
    lost = (KilledWorker, CommClosedError, OSError, *_cancelled())

    def first(futures: Futures) -> Futures:
        while True:
            try:
                return list(wait(futures, timeout=_LOOK_S, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                if client.status != "running" or not client.nthreads():
                    raise ConnectionError("no worker is left") from None

    with client:
        threads = client.nthreads()
        _refuse_others(client.run(identity).values(), f"dask://{place}")
        size = sum(threads.values())

        def results(task: PointTask, blocks: Iterable[PointBlock]) -> Iterator[Result]:
            calls = (client.submit(result, task, block, pure=False) for block in blocks)
            try:
                yield from _as_they_end(calls, first, lambda future: future.result(timeout=_RESULT_S), size)
            except lost as error:
                raise _gone(f"dask://{place}", error) from error

        yield Crew(size=size, results=results)


def _cancelled() -> tuple[type[BaseException], ...]:
    """What Dask raises for futures whose scheduler went away; newer releases have a class of their own."""
    from concurrent.futures import CancelledError as Cancelled

    from distributed import client

    return tuple({Cancelled, client.CancelledError, getattr(client, "FutureCancelledError", Cancelled)})


@contextmanager
def _ray(address: str) -> Iterator[Crew]:
    try:
        import ray
    except ImportError as error:
        raise InputError("--cluster ray:// needs Ray; pip install 'dynamo-simkit[ray]'") from error
    where = "auto" if address == "ray://auto" else address
    try:
        ray.init(address=where, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExternalError(f"{address}: no cluster answers ({told}); start one, or correct it") from error
    work = ray.remote(max_retries=2)(result)

    def first(futures: Futures) -> Futures:
        return list(ray.wait(futures, num_returns=1)[0])

    try:
        _refuse_others([ray.get(ray.remote(identity).remote())], address)
        size = max(int(ray.cluster_resources().get("CPU", 1)), 1)

        def results(task: PointTask, blocks: Iterable[PointBlock]) -> Iterator[Result]:
            calls = (work.remote(task, block) for block in blocks)
            try:
                yield from _as_they_end(calls, first, ray.get, size)
            except (ray.exceptions.RayError, ConnectionError) as error:
                raise _gone(address, error) from error

        yield Crew(size=size, results=results)
    finally:
        ray.shutdown()


def _as_they_end(
    calls: Iterator[Any], first: Callable[[Futures], Futures], value: Callable[[Any], Result], size: int
) -> Iterator[Result]:
    """Results as they come; no more calls are under way than a few for every worker."""
    waiting: Futures = []
    for call in calls:
        waiting.append(call)
        if len(waiting) >= _WAITING * size:
            yield from _ended(waiting, first, value)
    while waiting:
        yield from _ended(waiting, first, value)


def _ended(
    waiting: Futures, first: Callable[[Futures], Futures], value: Callable[[Any], Result]
) -> Iterator[Result]:
    for future in first(waiting):
        waiting.remove(future)
        yield value(future)


def _refuse_others(found: Iterable[dict[str, Any]], address: str) -> None:
    ours, theirs = identity(), list(found)
    if not theirs:
        raise ExternalError(f"{address}: has no worker; start some, or take --jobs")
    for one in theirs:
        for name in ours:
            if one.get(name) != ours[name]:
                raise InputError(
                    f"{address}: a worker has other {name}, its points would not compare; install the same "
                    "simkit there"
                )


def _gone(address: str, error: BaseException) -> ExternalError:
    told = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return ExternalError(f"{address}: a worker or the scheduler went away ({told}); see that it runs")
