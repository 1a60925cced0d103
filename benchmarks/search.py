"""Candidate-load points per CPU second of the search, and how its cost grows with the cluster.

    python benchmarks/search.py [--runs 5]
    python benchmarks/search.py --parts          # where the time of two of the cases goes

A point is one deployment (engine, mode, plans, worker counts) under one load. All that a search evaluates
count: the load asked for, the sweep behind the Pareto front, and the neighbouring cluster sizes of the
trade-offs. The time is that of the whole search in a process that has its artifacts loaded: medians over
the runs, cases taken in turn.
"""

import argparse
import cProfile
import pstats
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simkit.catalog.problems import build_problem
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.search import engine_search, trade_offs
from simkit.search.search import search

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


# What a search does, by the function that does it; the rest is ranking, ties and words.
PARTS = {
    "operators and memory of all plans": ("group_times",),
    "residuals of measured runs": ("_work_out",),
    "loops over all points": ("gather",),
    "candidates and front described": ("candidate", "phase_bottlenecks"),
}


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


def parts() -> None:
    """Print each part's share of two searches, by cProfile, which makes small calls look dearer."""
    cases = (CASES[0], CASES[-2])
    shares = []
    for case in cases:
        problem = build_problem(asked(*case))
        search(problem)  # loads artifacts
        profile = cProfile.Profile()
        profile.runcall(search, problem)
        spent = {key[2]: value[3] for key, value in pstats.Stats(profile).stats.items() if "simkit" in key[0]}
        shares.append(
            [sum(spent.get(name, 0.0) for name in names) / spent["search"] for names in PARTS.values()]
        )
    print(f"{'':36s}" + "".join(f"{model.split('/')[1]} on {gpus}".rjust(28) for model, gpus, _ in cases))
    for name, row in zip(PARTS, zip(*shares, strict=True), strict=True):
        print(f"{name:36s}" + "".join(f"{share:28.0%}" for share in row))
    print(f"{'the rest':36s}" + "".join(f"{1 - sum(column):28.0%}" for column in shares))


def main() -> None:
    """Print rates, or parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parts", action="store_true", help="where the time goes, instead")
    arguments = parser.parse_args()
    if arguments.parts:
        parts()
    else:
        rates(arguments.runs)


def rates(runs: int) -> None:
    """Print points per second, one line per case."""
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
