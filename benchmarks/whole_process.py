"""CPU seconds and memory of whole commands, cold and warm, beside the bare interpreter.

    python benchmarks/whole_process.py [--runs 5] [--only finalists] [--trace mooncake_conversation.jsonl.gz]

Cold: bytecode and the simulator's compiled code removed before the run. Every figure is user plus system
time of the process, from the operating system's accounting; medians over the runs, taken in turn so that
a drifting machine drifts for all.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIMKIT = [sys.executable, "-m", "simkit"]
SIMULATE = [*SIMKIT, "simulate", "--format", "json", "--quiet", "--gpu", "h200_sxm"]
RECOMMEND = [*SIMKIT, "recommend", "--format", "json", "--quiet", "--isl", "4000", "--osl", "1000"]
QWEN = [*RECOMMEND, "--model", "Qwen/Qwen3-32B-FP8", "--gpu", "h200_sxm", "--total-gpus", "32"]
R1 = [*RECOMMEND, "--model", "deepseek-ai/DeepSeek-R1", "--gpu", "h200_sxm", "--total-gpus"]
COMMANDS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import simkit": [sys.executable, "-c", "import simkit"],
    "recommend, Qwen3-32B-FP8 on 32 H200": QWEN,
    "recommend, Qwen3 on H100, H200 or B200": [*QWEN, "--gpu", "h100_sxm,h200_sxm,b200_sxm"],
    "  Qwen3 with -o": [*QWEN, "-o", "{out}/qwen"],
    "  Qwen3, 3 finalists simulated": [*QWEN, "--simulate-finalists", "3"],
    "  Qwen3, 10 finalists simulated": [*QWEN, "--simulate-finalists", "10"],
    "  Qwen3 with -o, 3 finalists simulated": [*QWEN, "--simulate-finalists", "3", "-o", "{out}/finalists"],
    "recommend, DeepSeek-R1 on 64 H200": [*R1, "64"],
    "  R1 with -o, 3 finalists simulated": [*R1, "64", "--simulate-finalists", "3", "-o", "{out}/r1"],
    "recommend, DeepSeek-R1 on 1,024 H200": [*R1, "1024"],
    "predict, 1,673 runs": [
        *SIMKIT, "predict", str(ROOT / "data/runs/serving_runs_fit.csv"), "--quiet", "-o", "{out}/p.csv",
    ],
    "simulate, 20,000 requests 1k/128, c64": [
        *SIMULATE, "--model", "Qwen/Qwen3-32B-FP8", "--isl", "1024", "--osl", "128", "--concurrency", "64",
        "--requests", "20000",
    ],
}  # fmt: skip

BASE = ("import numpy",)  # what others are compared with


def replay(trace: Path) -> list[str]:
    """Four replicas with prefix caching under a recorded load."""
    return [*SIMULATE, "--model", "Qwen/Qwen3-32B-FP8", "--worker", "4xtp1", "--trace", str(trace)]


def run(command: list[str], out: str) -> tuple[float, float]:
    """CPU seconds and peak memory [MB] of one process."""
    arguments = [part.replace("{out}", out) for part in command]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} failed; run it by hand")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def forget_bytecode() -> None:
    """Remove what a first start leaves behind."""
    for folder in ROOT.glob("*/**/__pycache__"):
        if ".venv" not in folder.parts:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="commands whose name holds this")
    parser.add_argument("--trace", type=Path, help="Mooncake trace to replay on four replicas")
    arguments = parser.parse_args()
    runs, commands = arguments.runs, dict(COMMANDS)
    if arguments.trace:
        commands["simulate, trace on four replicas"] = replay(arguments.trace.resolve())
    commands = {name: command for name, command in commands.items() if arguments.only in name or name in BASE}
    with tempfile.TemporaryDirectory() as out:
        cold = {}
        for name, command in commands.items():
            forget_bytecode()
            cold[name] = run(command, out)[0]
        warm: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                warm[name].append(run(command, out))
    base = statistics.median(cpu for cpu, _ in warm["import numpy"])
    print(f"{'':40s}{'cold s':>8s}{'warm s':>8s}{'min':>7s}{'max':>7s}{'x numpy':>9s}{'MB':>6s}")
    for name, samples in warm.items():
        cpu = [value for value, _ in samples]
        middle = statistics.median(cpu)
        memory = max(value for _, value in samples)
        print(
            f"{name:40s}{cold[name]:8.2f}{middle:8.2f}{min(cpu):7.2f}{max(cpu):7.2f}"
            f"{middle / base:9.1f}{memory:6.0f}"
        )


if __name__ == "__main__":
    main()
