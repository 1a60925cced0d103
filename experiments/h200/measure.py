"""Time the operators of dense and mixture models on one GPU: a table and the facts beside it.

    python experiments/h200/measure.py --out DIR [--minutes 8] [--device cuda|cpu] [--quick]

Needs torch and triton alone. The families are measured in a process of their own; when an error ends it, or
leaves the GPU without an answer, another goes on with the family after.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ORDER = (
    "check", "gemm_bf16", "launch", "attention_decode", "attention_prefill", "gemm_fp8", "moe", "elementwise",
    "sampling", "copy",
)  # fmt: skip
GRACE_S = 30.0  # after the budget a process that hangs is ended


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for operators.csv, environment.json")
    parser.add_argument("--minutes", type=float, default=8.0, help="time budget")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: a rehearsal")
    parser.add_argument("--families", default=",".join(ORDER), help="which, in which order")
    parser.add_argument("--in-process", action="store_true", help="measure here, start no other process")
    arguments = parser.parse_args()
    unknown = set(arguments.families.split(",")) - set(ORDER)
    if unknown:
        parser.error(f"unknown families {sorted(unknown)}; expected some of {', '.join(ORDER)}")
    return arguments


def _measure_here(arguments: argparse.Namespace) -> int:
    from cases import Settings
    from worker import measure

    settings = Settings(device=arguments.device, quick=arguments.quick)
    return measure(arguments.families.split(","), arguments.out, settings, arguments.minutes)


def _started(out: Path) -> list[str]:
    """The families that a process has begun so far, whether or not it came to their end."""
    path = out / "environment.json"
    return list(json.loads(path.read_text(encoding="utf-8"))["families"]) if path.exists() else []


def _start_process(arguments: argparse.Namespace, families: list[str], left_s: float) -> int:
    command = [sys.executable, str(Path(__file__).resolve()), "--in-process", "--out", str(arguments.out)]
    command += ["--minutes", f"{left_s / 60:.4f}", "--device", arguments.device]
    command += ["--families", ",".join(families), *(["--quick"] if arguments.quick else [])]
    try:
        return subprocess.run(command, check=False, timeout=left_s + GRACE_S).returncode
    except subprocess.TimeoutExpired:
        print("ended a process that outran its time", flush=True)
        return 124


def _measure_in_processes(arguments: argparse.Namespace) -> int:
    until = time.monotonic() + arguments.minutes * 60
    wanted = arguments.families.split(",")
    while wanted and (left_s := until - time.monotonic()) > 0:
        status = _start_process(arguments, wanted, left_s)
        if status == 0:
            return 0
        begun = _started(arguments.out)
        print(f"a process ended with status {status} in {begun[-1:] or 'its start'}", flush=True)
        if not set(begun) & set(wanted):
            return 1  # it could not even start: another would fare no better
        wanted = [name for name in wanted if name not in begun]
    return 0


def main() -> int:
    """Measure into a folder that holds no earlier run's table."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.in_process:
        return _measure_here(arguments)
    if (arguments.out / "operators.csv").exists():
        print(f"{arguments.out} holds a table already; name another folder", file=sys.stderr)
        return 2
    return _measure_in_processes(arguments)


if __name__ == "__main__":
    sys.exit(main())
