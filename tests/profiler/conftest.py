"""The profiler as a container starts it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from simkit.profiler.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
PHASES = ["Initializing", "SweepingPrefill", "SelectingConfig", "GeneratingDGD", "Done"]
WITH_CURVES = [*PHASES[:3], "BuildingCurves", *PHASES[3:]]


@dataclass(frozen=True)
class Run:
    """One finished run and the folder it was given."""

    exit_status: int
    err: str
    folder: Path

    @property
    def status(self):
        return yaml.safe_load((self.folder / "profiler_status.yaml").read_text())

    @property
    def documents(self):
        return list(yaml.safe_load_all((self.folder / "final_config.yaml").read_text()))

    @property
    def phases(self):
        """Phases in the order in which they were announced."""
        lines = [line.removeprefix("simkit.profiler: ") for line in self.err.splitlines()]
        return [line.split()[1].rstrip(":") for line in lines]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DGDR_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def spec(**changes):
    """A small request as the operator passes it: the spec alone."""
    given = {
        "model": "Qwen/Qwen3-32B",
        "backend": "vllm",
        "image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
        "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8, "numGpusPerNode": 8},
        "workload": {"isl": 4000, "osl": 1000},
        "sla": {"ttft": 2000, "itl": 30},
        "searchStrategy": "rapid",
        "autoApply": True,
    }
    return given | changes


@pytest.fixture
def profile(tmp_path, monkeypatch, capsys):
    """Run with a spec, or with the words of a command line; in a process of its own where that matters."""

    def run(config=None, *words, folder=tmp_path / "data", module="simkit.profiler", before=(), **env):
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            words = ("--config", text, *words)
        words = [*words, "--output-dir", str(folder)]
        if before or module != "simkit.profiler":
            command = [*before, sys.executable, "-m", module, *words]
            done = subprocess.run(
                command, cwd=tmp_path, env=environment(**env), capture_output=True, text=True, check=False
            )
            return Run(done.returncode, done.stderr, folder)
        with monkeypatch.context() as patch, signals_kept():
            patch.chdir(tmp_path)
            for name in [name for name in os.environ if name.startswith("DGDR_")]:
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
            capsys.readouterr()
            exit_status = main(words)
        return Run(exit_status, capsys.readouterr().err, folder)

    return run


@contextmanager
def signals_kept():
    """The profiler takes signals for itself until its process ends; here it ends before the process does."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
