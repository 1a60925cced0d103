"""`simkit benchmark` and `simkit profile` of local deployments: Dynamo's frontend around mocked engines."""

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from faults.killing.places import Place, command, ended, moment, place, shared_memory, whole

from simkit.io.tools import AIPERF, DYNAMO, require_tool

_ASKED = (
    "--target", "local", "--client", "builtin", "--model", "Qwen/Qwen3-0.6B", "--backend", "vllm", "--gpu",
    "h100_sxm", "--total-gpus", "2", "--isl", "64", "--osl", "8", "--concurrency", "2", "--requests", "8",
    "--warmup", "2", "--quiet", "--max-error", "ttft=9", "--max-error", "itl=9", "--max-error", "e2e=9",
)  # fmt: skip
VERBS = {
    "benchmark": ("benchmark", *_ASKED, "--worker", "tp1", "-o", "benchmark"),
    "profile": (
        "profile", *_ASKED, "--ttft", "5000", "--itl", "5000", "--search-strategy", "thorough",
        "--candidates", "2", "--max-points", "4", "-o", "profile",
    ),
}  # fmt: skip


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _keys(value: Any, path: str = "") -> set[str]:
    """Every key of a document by its path: what it holds, whatever was measured."""
    if isinstance(value, dict):
        return {f"{path}.{key}" for key in value} | {
            key for name, item in value.items() for key in _keys(item, f"{path}.{name}")
        }
    return {key for item in value for key in _keys(item, f"{path}[]")} if isinstance(value, list) else set()


def _shape(folder: Path) -> dict[str, set[str]]:
    """Files and their keys."""
    return {
        name: _keys(json.loads((folder / name).read_text())) if name.endswith(".json") else set()
        for name in _names(folder)
    }


def deployments(kills: int, seed: int) -> int:
    """Kill, look, run to the end, look again; the number after which something was wrong."""
    programs = {
        tool.variable: os.environ.get(tool.variable) or str(require_tool(tool)) for tool in (DYNAMO, AIPERF)
    }
    wrong, rng = 0, random.Random(seed)  # noqa: S311 - of when to kill
    before = shared_memory()
    with place(**programs) as where:
        lasts, expected = {}, {}
        for verb, words in VERBS.items():
            whole(where, words)  # everything is compiled
            shutil.rmtree(where.root / verb)
            lasts[verb] = whole(where, words)
            expected[verb] = _shape(where.root / verb)
            left = where.left(where.root / verb)
            print(
                f"{verb}: {lasts[verb]:.1f} s, {len(expected[verb])} files; left: {left or 'nothing'}",
                flush=True,
            )
        for number in range(1, kills + 1):
            verb = list(VERBS)[number % 2]
            said = _one(where, verb, rng, lasts[verb], expected[verb])
            wrong += bool(said)
            print(f"kill {number}, {verb}: {'; '.join(said) or 'good'}", flush=True)
    left = sorted(shared_memory() - before)
    print(f"{len(left)} things left in shared memory: {left[:6]}")
    return wrong


def _one(
    where: Place, verb: str, rng: random.Random, lasts: float, expected: dict[str, set[str]]
) -> list[str]:
    """What was wrong with one kill and the run after it."""
    folder = where.root / verb
    shutil.rmtree(folder, ignore_errors=True)
    found = ended(command(where, VERBS[verb]), *moment(rng, lasts))
    kinds = Counter(item.split()[0] if item.startswith("process") else "file" for item in where.left(folder))
    name = found.number.name if found.number else "none"
    print(f"  {name} after {found.after_s:.1f} s, at once left: {dict(kinds) or 'nothing'}", flush=True)
    said = [found.odd] if found.odd else []
    polite = found.number is not None and found.number.name != "SIGKILL"
    if polite and (left := where.left(folder)):
        said += [f"LEFT after {name}: {item}" for item in left]
    whole(where, VERBS[verb])
    said += [f"LEFT {item}" for item in where.left(folder)]
    now = _shape(folder)
    differing = sorted(name for name in {*now, *expected} if now.get(name) != expected.get(name))
    return said + [f"DIFFERENT {item}" for item in differing]
