"""Requests simulated per second: a closed loop, a recorded trace, and how both grow.

    python benchmarks/simulation.py [--trace conversation.jsonl.gz] [--runs 5]

Inner loop: the compiled loop alone, CPU seconds, medians over the runs. Cold: the first call in a process
without compiled code on disk; warm: with it. --many N adds N requests in constant memory.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from perfmodels.parallel import ParallelPlan
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.core.deployment import Aggregated, Pool
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.formats.traces.read import read_trace
from simkit.sim.cluster import Cluster, simulate_stream
from simkit.sim.deployed import cluster_of
from simkit.sim.requests import Requests

FIRST = "import time; a = time.perf_counter(); from benchmarks.simulation import *; "
FIRST += "inner_s(cluster(1), closed(10), 2); print(time.perf_counter() - a)"


def cluster(replicas: int) -> Cluster:
    """Engines of Qwen3-32B over eight H200 each."""
    request = Request(
        model="Qwen/Qwen3-32B", backend="vllm", hardware=Hardware(gpu="h200_sxm", total_gpus=32),
        workload=Workload(isl_tokens=8000, osl_tokens=350, concurrency=64),
    )  # fmt: skip
    problem = build_problem(request, SearchOptions())
    model = problem.engines[0]
    worker = Pool(plan=ParallelPlan(tp=8), engine=model.engine, replicas=replicas)
    return cluster_of(problem, Aggregated(worker=worker, precision=model.precision))


def closed(count: int) -> Requests:
    """Requests of 1,024 prompt and 128 output tokens."""
    return Requests.unshared(
        arrival_s=np.zeros(count),
        isl_tokens=np.full(count, 1024),
        osl_tokens=np.full(count, 128),
    )


def inner_s(engines: Cluster, requests: Requests, concurrency: int | None) -> float:
    """CPU seconds of the loop."""
    from simkit.sim.kernel.session import Arena

    unit_tokens = requests.block_tokens if len(requests.block_ids) else 0
    arena = Arena(engines, concurrency=concurrency, seed=0, unit_tokens=unit_tokens)
    arena.add(requests)
    start = time.process_time()
    arena.run(last=True)
    return time.process_time() - start


def first_call_s(folder: str) -> float:
    """Wall seconds of importing and simulating ten requests in a fresh process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", FIRST], cwd=root, env=environment, capture_output=True, check=True
    )
    return float(done.stdout)


def many(count: int) -> None:
    """A long closed loop, piece by piece."""
    piece = 100_000

    def pieces() -> Iterator[Requests]:
        for _ in range(0, count, piece):
            yield closed(piece)

    start, served = time.process_time(), 0
    for times in simulate_stream(cluster(1), pieces(), concurrency=64):
        served += len(times)
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{served:,} requests in pieces: {served / spent:,.0f} requests/s, peak memory {peak:,.0f} MB")


def main() -> None:
    """Print one line per workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--many", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cold = first_call_s(folder)
        print(f"first call: {cold:.1f} s cold, {first_call_s(folder):.1f} s warm")
    loads = {f"{n:,} of 1k/128 at 64, one engine": (cluster(1), closed(n), 64) for n in (20_000, 80_000)}
    if options.trace:
        loads[f"{options.trace.name}, four engines"] = (cluster(4), read_trace(options.trace).requests, None)
    for name, (engines, requests, concurrency) in loads.items():
        inner_s(engines, requests, concurrency)
        spent = statistics.median(inner_s(engines, requests, concurrency) for _ in range(options.runs))
        print(f"{name}: {len(requests) / spent:,.0f} requests/s ({spent:.3f} s, median of {options.runs})")
    if options.many:
        many(options.many)


if __name__ == "__main__":
    main()
