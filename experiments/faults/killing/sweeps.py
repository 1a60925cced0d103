"""`simkit experiment run`, predicted and simulated, in this process and in two beside it."""

import pkgutil
import random
import shutil
import time
from importlib import import_module
from pathlib import Path

from faults.killing.places import Forked, Place, ended, moment, place, shared_memory

import simkit.cli
import simkit.closed_form
import simkit.experiments
import simkit.io
import simkit.sim
import simkit.verbs

PREDICTED = """question: how does the load matter
do: predict
axes:
  model: Qwen/Qwen3-8B
  gpu: [h200_sxm, h100_sxm]
  backend: [vllm, sglang]
  tp: [1, 2, 4]
  isl_tokens: {start: 100, stop: 4000, step: 200}
  osl_tokens: [50, 100, 200, 400]
  concurrency: [1, 4, 16, 64, 256]
sla:
  ttft_ms: 500
"""
SIMULATED = """question: how does the load matter
do: simulate
axes:
  model: Qwen/Qwen3-8B
  gpu: h200_sxm
  backend: vllm
  tp: [1, 2]
  isl_tokens: 200
  osl_tokens: 20
  concurrency: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
sla:
  ttft_ms: 500
"""
_MOST = 5  # kills in one folder
KINDS = {"predicted": (PREDICTED, 1), "predicted by 2": (PREDICTED, 2), "simulated": (SIMULATED, 1),
         "simulated by 2": (SIMULATED, 2)}  # fmt: skip


def _imported() -> None:
    """Everything that a run loads, so that its copies need not."""
    for package in (simkit.cli, simkit.experiments, simkit.verbs, simkit.sim, simkit.io, simkit.closed_form):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(found.name)
    for name in ("pandas", "pyarrow.parquet", "joblib", "numba", "scipy.special"):
        import_module(name)


def _whole(where: Place, words: tuple[str, ...]) -> float:
    """A run to its end; seconds that it took."""
    begun, process = time.monotonic(), Forked(where, words)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {process.returncode} {said[-500:]}")
    return time.monotonic() - begun


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _finished(
    where: Place, words: tuple[str, ...], rng: random.Random, lasts: float, most: int
) -> tuple[int, list[str]]:
    """Kills until the run is complete, and a last start; how many, and what was wrong with how one ended."""
    wrong, kills = [], 0
    for count in range(most):
        found = ended(Forked(where, words), *moment(rng, lasts))
        if found.odd:
            wrong.append(found.odd)
        name = found.number.name if found.number else "none, it was complete"
        print(f"  kill {count + 1}: {name} after {found.after_s:.2f} s", flush=True)
        if found.number is None:
            break
        kills += 1
    _whole(where, words)
    return kills, wrong


def sweeps(kills: int, seed: int) -> int:
    """Kill runs of each kind, finish them, compare; the number that went wrong."""
    wrong = 0
    _imported()
    for number, (kind, (text, jobs)) in enumerate(KINDS.items()):
        rng, before = random.Random(f"{seed}:{kind}"), shared_memory()  # noqa: S311 - of when to kill
        with place() as where:
            wrong += _kind(where, text, jobs, rng, -(-kills // len(KINDS)))
        left = sorted(shared_memory() - before)
        print(f"{number + 1}. {kind}: {len(left)} things left in shared memory: {left[:6]}", flush=True)
    return wrong


def _kind(where: Place, text: str, jobs: int, rng: random.Random, kills: int) -> int:
    (where.root / "sweep.yaml").write_text(text)
    out = where.root / "out"
    words = ("experiment", "run", "sweep.yaml", "-o", "out", "--jobs", str(jobs), "--quiet")
    _whole(where, words)  # everything is compiled
    shutil.rmtree(out)
    lasts, wrong, count, folders = _whole(where, words), 0, 0, 0
    expected = _files(out)
    print(f"{len(expected)} files, {lasts:.1f} s unkilled, {jobs} at work", flush=True)
    while count < kills:
        shutil.rmtree(out)
        folders += 1
        done, faults = _finished(where, words, rng, lasts, min(kills - count, _MOST))
        count += done
        found = _files(out)
        different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        left = where.left(out)
        said = [*faults, *(f"DIFFERENT {name}" for name in different), *(f"LEFT {name}" for name in left)]
        wrong += bool(said)
        print(
            f"folder {folders}, {count} kills so far: {'; '.join(said) or 'the same, nothing left'}",
            flush=True,
        )
    return wrong
