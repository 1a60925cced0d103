"""CPU seconds of one question asked of simkit and of AIConfigurator, in turn, in one run.

    python3 -m venv /path/aic && /path/aic/bin/pip install aiconfigurator==0.12.0
    python benchmarks/beside_aiconfigurator.py --aiconfigurator /path/aic/bin/aiconfigurator [--runs 3]

simkit searches three engines and both modes; AIConfigurator one engine (TensorRT-LLM unless --backend), both
modes. Same model, GPUs, lengths and bounds. User plus system time of the whole process and of its children,
warm, medians; what either recommends is not compared here.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

QUESTIONS = {
    "Qwen3-32B-FP8 on 32 H200": ("Qwen/Qwen3-32B-FP8", 32),
    "DeepSeek-R1 on 64 H200": ("deepseek-ai/DeepSeek-R1", 64),
}
LENGTHS = ["--isl", "4000", "--osl", "1000", "--ttft", "2000"]
ITL_MS = "30"
MAY_EXIT = (0, 1)


def simkit(model: str, gpus: int) -> list[str]:
    """The question as simkit takes it."""
    asked = ["--model", model, "--gpu", "h200_sxm", "--total-gpus", str(gpus), *LENGTHS, "--itl", ITL_MS]
    return [sys.executable, "-m", "simkit", "recommend", "--format", "json", "--quiet", *asked]


def aiconfigurator(program: Path, backend: str, model: str, gpus: int) -> list[str]:
    """The same question as AIConfigurator takes it."""
    asked = ["--model-path", model, "--system", "h200_sxm", "--total-gpus", str(gpus), *LENGTHS]
    return [str(program), "cli", "default", "--backend", backend, *asked, "--tpot", ITL_MS]


def cpu_s(command: list[str]) -> float:
    """CPU seconds of one process and its children; stops where it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in MAY_EXIT:
        raise SystemExit(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}: {said[-600:]}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print one line per question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aiconfigurator", type=Path, required=True, help="the program")
    parser.add_argument("--backend", default="trtllm", help="AIConfigurator's engine")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'CPU s, median (least to most)':32s}{'simkit':>22s}{'AIConfigurator':>24s}{'ratio':>8s}")
    for name, question in QUESTIONS.items():
        pair = (simkit(*question), aiconfigurator(arguments.aiconfigurator, arguments.backend, *question))
        for command in pair:
            cpu_s(command)  # warm
        samples = [[cpu_s(command) for command in pair] for _ in range(arguments.runs)]
        columns = list(zip(*samples, strict=True))
        middle = [statistics.median(column) for column in columns]
        cells = [f"{m:.2f} ({min(c):.2f} to {max(c):.2f})" for m, c in zip(middle, columns, strict=True)]
        print(f"{name:32s}{cells[0]:>22s}{cells[1]:>24s}{middle[1] / middle[0]:>7.1f}x")


if __name__ == "__main__":
    main()
