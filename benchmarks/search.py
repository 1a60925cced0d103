"""Candidate-load points per CPU second of the search, and how its cost grows with the cluster.

    python benchmarks/search.py [--runs 5]

A point is one deployment (engine, mode, plans, worker counts) under one load. All that a search evaluates
count: the load asked for, the sweep behind the Pareto front, and the neighbouring cluster sizes of the
trade-offs. The time is that of the whole search in a process that has its artifacts loaded: medians over
the runs, cases taken in turn.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simkit.core import engine_search, trade_offs
from simkit.core.request import Hardware, Request
from simkit.core.search import search
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.io.problems import build_problem

CASES = [
    ("Qwen/Qwen3-32B-FP8", 32, None),
    ("Qwen/Qwen3-32B-FP8", 32, 256.0),
    ("deepseek-ai/DeepSeek-R1", 64, None),
    ("deepseek-ai/DeepSeek-R1", 64, 512.0),
    ("deepseek-ai/DeepSeek-R1", 256, 2048.0),
    ("deepseek-ai/DeepSeek-R1", 1024, None),
    ("deepseek-ai/DeepSeek-R1", 1024, 8192.0),
    ("deepseek-ai/DeepSeek-R1", 4096, 32768.0),
]


@contextmanager
def counted() -> Iterator[list[int]]:
    """Sizes of all tables of points that are evaluated meanwhile."""
    sizes: list[int] = []
    plain = engine_search.gather

    def counting(*args: Any, **kwargs: Any) -> Any:
        points = plain(*args, **kwargs)
        sizes.append(0 if points is None else len(points))
        return points

    engine_search.gather = trade_offs.gather = counting
    try:
        yield sizes
    finally:
        engine_search.gather = trade_offs.gather = plain


def asked(model: str, gpus: int, concurrency: float | None) -> Request:
    """Three engines, both modes, an SLA on both latencies."""
    return Request(
        model=model,
        backend="auto",
        modes=("agg", "disagg"),
        slo=Slo(ttft_s=1.0, itl_s=0.03),
        hardware=Hardware(gpu="h200_sxm", total_gpus=gpus),
        workload=Workload(isl_tokens=4000, osl_tokens=500, concurrency=concurrency),
    )


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    seconds: dict[tuple[str, int, float | None], list[float]] = {case: [] for case in CASES}
    points = {}
    for turn in range(runs + 1):  # the first one loads artifacts
        for case in CASES:
            problem = build_problem(asked(*case))
            with counted() as sizes:
                start = time.process_time()
                search(problem)
                spent = time.process_time() - start
            points[case] = sum(sizes)
            if turn:
                seconds[case].append(spent)
    print(f"{'model':26s}{'GPUs':>6s}{'in flight':>11s}{'points':>10s}{'CPU s':>8s}{'points/s':>11s}")
    for case, samples in seconds.items():
        middle = statistics.median(samples)
        load = "sweep" if case[2] is None else f"{case[2]:,.0f}"
        print(
            f"{case[0]:26s}{case[1]:6d}{load:>11s}{points[case]:10,d}{middle:8.3f}"
            f"{points[case] / middle:11,.0f}"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
