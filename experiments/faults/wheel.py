"""The built wheel in fresh environments: do the main verbs work there, with nothing of it writable?

    python experiments/faults/wheel.py python3.11 python3.12 python3.13

For each Python the wheel is installed into a new environment, which is then made read-only. `recommend`,
`simulate`, `profile` and `benchmark` run in it without a home folder. Root first gives up its right to write
what it may not. The server that is measured is the tests' own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

from openai_server import openai_server  # noqa: E402

MODEL = "Qwen/Qwen3-0.6B"
ASKED = ("--model", MODEL, "--backend", "vllm", "--gpu", "h100_sxm", "--total-gpus", "2", "--isl", "64")
LOAD = (*ASKED, "--osl", "8", "--concurrency", "2")
METER = (
    "--client", "builtin", "--requests", "8", "--max-error", "ttft=9", "--max-error", "itl=9", "--max-error",
    "e2e=9",
)  # fmt: skip


def built(place: Path) -> Path:
    """The wheel of this tree."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(ROOT), "-w", str(place)]
    subprocess.run(command, check=True)
    return next(place.glob("*.whl"))


def verbs(url: str, out: Path) -> Iterator[tuple[str, ...]]:
    """What is tried, in order."""
    yield "recommend", *LOAD, "--ttft", "500", "--itl", "50", "-o", str(out / "answer")
    yield "simulate", str(out / "answer"), "--requests", "50", "-o", str(out / "simulated")
    yield "benchmark", *LOAD, "--worker", "tp1", "--url", url, *METER, "-o", str(out / "run")
    yield (
        "profile", *LOAD, "--ttft", "5000", "--itl", "5000", "--target", "url", "--url", url, *METER,
        "--apply", "-o", str(out / "profile"),
    )  # fmt: skip


def bound() -> list[str]:
    """Words in front by which root, who may write anything, keeps to the rights of files."""
    caps = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}"] if os.getuid() == 0 else []


def locked(folder: Path) -> None:
    """Nobody may write below a folder any more."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def tried(python: str, wheel: Path, url: str) -> int:
    """Verbs that failed with one Python."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        root = Path(name)
        root.chmod(0o755)
        subprocess.run([python, "-m", "venv", str(root / "env")], check=True)
        program = root / "env" / "bin" / "python"
        pip = [str(program), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, str(wheel)], check=True, stderr=subprocess.DEVNULL)
        version = subprocess.run([str(program), "-V"], capture_output=True, text=True, check=True).stdout
        out = root / "out"
        out.mkdir()
        locked(root / "env")
        for cache in (out / "cache", root / "env" / "cache"):  # one that can be written, and one that cannot
            env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "SIMKIT_CACHE": str(cache)}
            env["PYTHONDONTWRITEBYTECODE"] = "1"
            for words in verbs(url, out / cache.parent.name):
                command = [*bound(), str(program), "-m", "simkit", *words, "--quiet"]
                done = subprocess.run(
                    command, env=env, cwd="/", capture_output=True, text=True, check=False, timeout=600
                )
                good = done.returncode == 0 and "Traceback" not in done.stderr
                wrong += not good
                said = "" if good else f": {done.stderr.strip()[-300:]}"
                print(
                    f"{version.strip()}, cache {cache.parent.name}, {words[0]}: {done.returncode}{said}",
                    flush=True,
                )
    return wrong


def main() -> None:
    """Build, then try every Python that is named."""
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="wheel-") as name,
        openai_server(ttft_s=0.02, itl_s=0.001, model=MODEL) as found,
    ):
        Path(name).chmod(0o755)
        wheel = built(Path(name))
        for python in sys.argv[1:] or [sys.executable]:
            wrong += tried(python, wheel, found[0])
    print(f"{wrong} went wrong")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
