"""Runs of experiments: killed at random moments, worked by one or two processes, many simulated points.

    python benchmarks/experiment_runs.py kills [--kills 50] [--seed 0]
    python benchmarks/experiment_runs.py workers [--repeats 3] [--points 240]
    python benchmarks/experiment_runs.py simulated [--points 10000]

kills: a runner is forked and killed (SIGKILL) after a random time, again and again in one folder until it is
complete, then in the next, until there were so many kills. It says whether every table equals, byte for byte,
the table of a run that was not killed.

workers: a sweep of simulated points with one process and with two, in turns, each started anew: time on the
clock, and CPU time of each process. Other work on the machine disturbs the clock's ratio; that of CPU times
(one process over the longest of two and all that the one who hands out blocks takes) is what free cores give
at least.

simulated: so many simulated points in one process: CPU time, memory, and compilations of the simulator.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simkit.experiments.document import Experiment, parse_experiment, read_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, part_files

PREDICTED = """\
question: Does a killed sweep lose or repeat anything?
axes:
  model: Qwen/Qwen3-8B
  gpu: [h100_sxm, h200_sxm]
  backend: [vllm, trtllm]
  plan: [tp1, tp2, tp4]
  isl_tokens: {start: 500, stop: 4000, step: 500}
  osl_tokens: [100, 200, 400]
  concurrency: {start: 1, stop: 256, step: 3}
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
  concurrency: {start: 4, stop: %d, step: 4}
  requests: 2000
"""
_EACH = 3 * 4 * 4


def simulated_sweep(points: int) -> str:
    """An experiment of about so many simulated points."""
    return SIMULATED % (4 * max(points // _EACH, 1))


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
        experiment = read_experiment(file)
        forked(experiment, root / "warm").join()
        begun = time.monotonic()
        forked(experiment, root / "whole").join()
        lasts = time.monotonic() - begun
        whole = RunFolder(path=root / "whole")
        expected = {path.name: path.read_bytes() for path in part_files(whole)}
        points = experiment.space.most
        print(f"{points:,} points in {len(expected)} parts, {lasts:.0f} s unkilled", flush=True)
        count = folders = 0
        while count < wanted:
            folders += 1
            count += killed_until_done(experiment, root / f"run{folders}", (rng, lasts), wanted - count)
            found = RunFolder(path=root / f"run{folders}")
            same = {path.name: path.read_bytes() for path in part_files(found)} == expected
            print(
                f"folder {folders}: {count} kills so far, {'the same' if same else 'ANOTHER'} table",
                flush=True,
            )
            shutil.rmtree(found.path)


def forked(experiment: Experiment, folder: Path) -> multiprocessing.process.BaseProcess:
    """A runner in a process of its own that has everything imported already."""

    def work() -> None:
        for _ in run(experiment, RunFolder(path=folder), []):
            pass

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def killed_until_done(
    experiment: Experiment, folder: Path, pace: tuple[random.Random, float], most: int
) -> int:
    """Kills until a folder is complete; the last start is left to end."""
    rng, lasts = pace
    count = 0
    while count < most:
        process = forked(experiment, folder)
        process.join(timeout=rng.uniform(0.0, lasts))
        if process.exitcode is not None:
            return count
        process.kill()
        process.join()
        count += 1
    forked(experiment, folder).join()
    return count


def workers(repeats: int, points: int) -> None:
    """Time one and two processes in turns."""
    with tempfile.TemporaryDirectory() as name:
        file, few = Path(name) / "sweep.yaml", Path(name) / "few.yaml"
        file.write_text(simulated_sweep(points))
        few.write_text(simulated_sweep(1))
        started(few, Path(name) / "warm").wait()  # the simulator is compiled into its cache
        clock, cores = [], []
        for repeat in range(repeats):
            one = watched(started(file, Path(name) / f"1-{repeat}"))
            two = watched(started(file, Path(name) / f"2-{repeat}", "--jobs", "2"))
            (alone,), (first, *rest) = one[1], two[1]
            clock.append(one[0] / two[0])
            cores.append(alone / (first + max(rest)))
            told = ", ".join(f"{seconds:.1f}" for seconds in (first, *rest))
            print(f"one: {one[0]:.1f} s, CPU {alone:.1f}; two: {two[0]:.1f} s, CPU {told}", flush=True)
        for word, ratios in (("clock", clock), ("CPU of the longest way", cores)):
            print(f"{word}: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def watched(process: subprocess.Popen) -> tuple[float, list[float]]:
    """Seconds on the clock of a process, and CPU seconds of it and of its workers, itself first."""
    begun, spent = time.monotonic(), {}
    while process.poll() is None:
        spent |= {pid: max(cpu, spent.get(pid, 0.0)) for pid, cpu in family_cpu_s(process.pid).items()}
        time.sleep(0.5)
    own = spent.pop(process.pid)
    return time.monotonic() - begun, [own, *(cpu for cpu in spent.values() if cpu > 1.0)]


def family_cpu_s(parent: int) -> dict[int, float]:
    """CPU seconds of a process and its children."""
    found = {}
    for one in Path("/proc").glob("[0-9]*"):
        try:
            fields = (one / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(one.name) == parent or int(fields[1]) == parent:
            found[int(one.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def simulated(points: int) -> None:
    """Simulate many points here."""
    experiment = parse_experiment(simulated_sweep(points), "benchmark")
    with tempfile.TemporaryDirectory() as name:
        folder, begun, peaks = RunFolder(path=Path(name) / "run"), time.process_time(), []
        for step in run(experiment, folder, []):
            peaks.append((step.passed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
            if len(peaks) == 1:
                first = time.process_time() - begun
    spent = time.process_time() - begun
    each = (spent - first) / (peaks[-1][0] - peaks[0][0]) * 1e3
    print(f"{peaks[-1][0]:,} points in {spent:.0f} s of CPU; after the first block {each:.1f} ms each")
    for passed, mib in peaks[:: max(len(peaks) // 10, 1)]:
        print(f"  after {passed:,} points at most {mib:,.0f} MiB")


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("kills", "workers", "simulated"))
    parser.add_argument("--points", type=int)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "kills":
        kills(options.kills, options.seed)
    elif options.what == "workers":
        workers(options.repeats, options.points or 240)
    else:
        simulated(options.points or 10_000)


if __name__ == "__main__":
    main()
