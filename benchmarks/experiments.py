"""CPU of 100,000 predicted points, over that of a plain loop of 10 million multiplications in the same run.

    python benchmarks/experiments.py [--points 100000]

The points are a sweep as it ships: three GPUs, three engines, plans, lengths and loads, into a folder, with
everything that a run does: hashes, parts, locks. Memory: what the process holds after a block, and the most
it held meanwhile, by tenths of the run.
"""

import argparse
import math
import statistics
import tempfile
import time
from dataclasses import dataclass, field
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


def run_s(experiment: Experiment) -> tuple[float, int, list[str]]:
    """CPU seconds of a run, its points, and its memory in words."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(path=Path(name) / "run")
        begun = time.process_time()
        watch = Memory()
        for step in run(experiment, folder, []):
            watch.look(step.passed)
        spent = time.process_time() - begun
        return spent, stored_points(folder)[0], watch.tenths()


@dataclass
class Memory:
    """MiB held after each block, and the most that was held while it was made."""

    seen: list[tuple[int, float, float]] = field(default_factory=list)

    def look(self, passed: int) -> None:
        """Note what is held now, and begin to look for the most anew."""
        words = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        held, most = (int(words[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        self.seen.append((passed, held, most))
        Path("/proc/self/clear_refs").write_text("5")

    def tenths(self) -> list[str]:
        """A line for each tenth of the run."""
        size = max(math.ceil(len(self.seen) / 10), 1)
        groups = [self.seen[at : at + size] for at in range(0, len(self.seen), size)]
        return [
            f"to {group[-1][0]:>9,} points: {statistics.median(one[1] for one in group):,.0f} MiB after "
            f"a block (median), at most {max(one[2] for one in group):,.0f} MiB"
            for group in groups
        ]


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    options = parser.parse_args()
    run_s(sweep(_EACH))  # artifacts are loaded
    before = loop_s()
    took, points, memory = run_s(sweep(options.points))
    loop = (before + loop_s()) / 2
    per = took / points * 100_000 / loop
    print(f"{points:,} points in {took:.1f} s of CPU, {points / took:,.0f} a second")
    print(f"100,000 points take {per:.1f} times the loop ({loop:.3f} s); asked: under 40")
    print("\n".join(memory))


if __name__ == "__main__":
    main()
