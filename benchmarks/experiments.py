"""CPU of 100,000 predicted points, over that of a plain loop of 10 million multiplications in the same run.

    python benchmarks/experiments.py [--points 100000]

The points are a sweep as it ships: three GPUs, three engines, plans, lengths and loads, into a folder, with
everything that a run does: hashes, parts, locks. The memory is the most that the process ever had.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from simkit.experiments.document import Experiment, parse_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, stored_points

TEXT = """\
question: How many points a second does a sweep predict?
axes:
  model: nvidia/Llama-3.3-70B-Instruct-FP8
  gpu: [h100_sxm, h200_sxm, b200_sxm]
  backend: [vllm, sglang, trtllm]
  plan: [tp2, tp4, tp8, 2xtp4]
  isl_tokens: {start: 1000, stop: 8000, step: 1000}
  osl_tokens: {start: 100, stop: 1000, step: 100}
  concurrency: {start: 1, stop: %d, step: 1}
sla: {ttft_ms: 2000, itl_ms: 30}
"""
_EACH = 3 * 3 * 4 * 8 * 10


def sweep(points: int) -> Experiment:
    """An experiment of about so many points."""
    return parse_experiment(TEXT % max(points // _EACH, 1), "benchmark")


def loop_s() -> float:
    """CPU seconds of 10 million multiplications."""
    begun, value = time.process_time(), 1.0
    for _ in range(10_000_000):
        value *= 1.0000001
    return time.process_time() - begun


def run_s(experiment: Experiment) -> tuple[float, int]:
    """CPU seconds of a run, and its points."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(path=Path(name) / "run")
        begun = time.process_time()
        for _ in run(experiment, folder, []):
            pass
        return time.process_time() - begun, stored_points(folder)[0]


def peak_mib() -> float:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    options = parser.parse_args()
    run_s(sweep(_EACH))  # artifacts are loaded
    before, first = loop_s(), peak_mib()
    took, points = run_s(sweep(options.points))
    loop = (before + loop_s()) / 2
    per = took / points * 100_000 / loop
    print(f"{points:,} points in {took:.1f} s of CPU, {points / took:,.0f} a second")
    print(f"100,000 points take {per:.1f} times the loop ({loop:.3f} s); asked: under 40")
    print(f"most memory {peak_mib():,.0f} MiB, {first:,.0f} MiB after {_EACH:,} points")


if __name__ == "__main__":
    main()
