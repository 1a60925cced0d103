"""Runs of experiments as processes: killed at random moments, and worked by one or two processes.

    python benchmarks/experiment_runs.py kills [--kills 50] [--seed 0]
    python benchmarks/experiment_runs.py workers [--repeats 3]

kills: a sweep is started and killed (SIGKILL) after a random time, again and again in one folder until it is
complete, then in the next, until there were so many kills. It says whether every table equals, byte for byte,
the table of a run that nobody killed.

workers: a sweep of simulated points with one process and with two, in turns, each started anew. It says how
long they take on the clock; other work on the machine makes the ratio smaller.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simkit.experiments.store import RunFolder, part_files, read_dataset

PREDICTED = """\
question: Does a killed sweep lose or repeat anything?
axes:
  model: Qwen/Qwen3-8B
  gpu: [h100_sxm, h200_sxm]
  backend: [vllm, trtllm]
  plan: [tp1, tp2, tp4]
  isl_tokens: {start: 500, stop: 4000, step: 500}
  osl_tokens: [100, 200, 400]
  concurrency: {start: 1, stop: 256, step: 1}
sla: {ttft_ms: 500, itl_ms: 20}
"""
SIMULATED = """\
question: How much faster do two processes simulate?
do: simulate
axes:
  model: Qwen/Qwen3-8B
  gpu: h200_sxm
  backend: vllm
  plan: [tp1, tp2, tp4]
  isl_tokens: [500, 1000, 2000, 4000]
  osl_tokens: [100, 200, 400, 800]
  concurrency: [4, 8, 16, 32, 64]
  requests: 2000
"""


def started(file: Path, folder: Path, *words: str) -> subprocess.Popen:
    """A run as a person starts it."""
    command = [sys.executable, "-m", "simkit", "experiment", "run", str(file), "-o", str(folder), "--quiet"]
    return subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kills(wanted: int, seed: int) -> None:
    """Kill runs, finish them, compare."""
    rng = random.Random(seed)  # noqa: S311 - of when to kill
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        file = root / "sweep.yaml"
        file.write_text(PREDICTED)
        begun = time.monotonic()
        started(file, root / "whole").wait()
        lasts = time.monotonic() - begun
        whole = RunFolder(path=root / "whole")
        expected = {path.name: path.read_bytes() for path in part_files(whole)}
        print(
            f"{len(read_dataset(whole)):,} points in {len(expected)} parts, {lasts:.0f} s unkilled",
            flush=True,
        )
        count = folders = 0
        while count < wanted:
            folders += 1
            count += killed_until_done(file, root / f"run{folders}", (rng, lasts), wanted - count)
            found = RunFolder(path=root / f"run{folders}")
            same = {path.name: path.read_bytes() for path in part_files(found)} == expected
            print(
                f"folder {folders}: {count} kills so far, {'the same' if same else 'ANOTHER'} table",
                flush=True,
            )
            shutil.rmtree(found.path)


def killed_until_done(file: Path, folder: Path, pace: tuple[random.Random, float], most: int) -> int:
    """Kills until a folder is complete; the last start is left to end."""
    rng, lasts = pace
    count = 0
    while count < most:
        process = started(file, folder)
        try:
            process.wait(timeout=rng.uniform(0.0, lasts))
            return count
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            count += 1
    started(file, folder).wait()
    return count


def workers(repeats: int) -> None:
    """Time one and two processes in turns."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "sweep.yaml"
        file.write_text(SIMULATED)
        started(file, Path(name) / "warm").wait()  # the simulator is compiled into its cache
        took: dict[int, list[float]] = {1: [], 2: []}
        for repeat in range(repeats):
            for jobs in (1, 2):
                begun = time.monotonic()
                started(file, Path(name) / f"{jobs}-{repeat}", "--jobs", str(jobs)).wait()
                took[jobs].append(time.monotonic() - begun)
        ratios = [one / two for one, two in zip(took[1], took[2], strict=True)]
        for jobs, times in took.items():
            print(f"{jobs} process(es): {', '.join(f'{t:.1f}' for t in times)} s")
        print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("kills", "workers"))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "kills":
        kills(options.kills, options.seed)
    else:
        workers(options.repeats)


if __name__ == "__main__":
    main()
