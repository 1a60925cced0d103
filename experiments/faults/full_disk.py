"""Commands whose disk fills while they write: exit status 3, one line, nothing half written; then resumed.

    python experiments/faults/full_disk.py

Each command first writes to a disk with room, to learn how much it takes; then to disks of shares of that.
They are small file systems in memory, mounted in a namespace of this process (Linux; root is not needed where
the kernel lets users have namespaces). Afterwards the disk is given room and the command runs again. Words
behind choose commands: recommend, simulate, report, experiment, profile.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments"), str(ROOT / "tests" / "fakes")]

INSIDE = "FAULTS_IN_NAMESPACE"
PAGE = 4096
ROOM = 1 << 28
SHARES = (0.0, 0.03, 0.1, 0.3, 0.6, 0.9)
MODEL = "Qwen/Qwen3-0.6B"
ASKED = (
    "--model", MODEL, "--backend", "vllm", "--gpu", "h100_sxm", "--isl", "64", "--osl", "8", "--concurrency",
    "2",
)  # fmt: skip
TARGETS = ("--total-gpus", "2", "--ttft", "5000", "--itl", "5000")
METER = (
    "--client", "builtin", "--requests", "8", "--max-error", "ttft=9", "--max-error", "itl=9", "--max-error",
    "e2e=9",
)  # fmt: skip
SWEEP = """question: how does the load matter
do: predict
axes:
  model: Qwen/Qwen3-8B
  gpu: [h200_sxm, h100_sxm]
  backend: [vllm, sglang]
  tp: [1, 2]
  isl_tokens: {start: 100, stop: 4000, step: 100}
  osl_tokens: [50, 100]
  concurrency: [1, 4, 16, 64, 256]
sla:
  ttft_ms: 500
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A command that writes to `out` on the disk; resumes: what is finished is kept; else a set or none."""

    words: tuple[str, ...]
    resumes: bool = False

    @property
    def verb(self) -> str:
        """What it is called."""
        return self.words[0]


def commands(beside: Path, url: str) -> Iterator[Filling]:
    """What is tried; `beside` holds their inputs."""
    yield Filling(words=("recommend", *ASKED, *TARGETS, "-o", "out"))
    yield Filling(words=("simulate", str(beside / "answer"), "--requests", "500", "-o", "out"))
    yield Filling(words=("report", str(beside / "answer"), "-o", "out"))
    yield Filling(words=("experiment", "run", str(beside / "sweep.yaml"), "-o", "out"), resumes=True)
    words = ("profile", *ASKED, *TARGETS, "--target", "url", "--url", url, *METER, "--apply", "-o", "out")
    yield Filling(words=words, resumes=True)


def run(words: tuple[str, ...], disk: Path) -> "subprocess.CompletedProcess[str]":
    """`simkit` from the disk."""
    command = [sys.executable, "-m", "simkit", *words, "--quiet"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=disk, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def mounted(disk: Path, size: int) -> None:
    """A file system in memory of so many bytes, whole pages of them; 0 is not taken for no limit."""
    disk.mkdir(exist_ok=True)
    pages = max(size // PAGE, 1)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs", str(disk)], check=True)


def files(folder: Path) -> dict[str, int]:
    """Sizes by name."""
    return {
        str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }


def unreadable(folder: Path) -> list[str]:
    """Files that are there in part."""
    import pyarrow.parquet as pq

    found = []
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".parquet":
                pq.read_table(path)
            elif path.is_file() and not path.stat().st_size:
                found.append(path.name)
        except (ValueError, OSError) as error:
            found.append(f"{path.name} ({error})")
    return found


def judged(found: "subprocess.CompletedProcess[str]", filling: Filling, disk: Path) -> list[str]:
    """What is wrong with how a command ended on a full disk."""
    wrong = []
    if found.returncode != 3:
        wrong.append(f"exit status {found.returncode}")
    if found.stderr.count("\n") != 1 or "Traceback" in found.stderr:
        wrong.append(f"said {found.stderr[-300:]!r}")
    there = files(disk)
    odd = [name for name in there if any(part.startswith(".") for part in Path(name).parts) or "lock" in name]
    wrong += [f"left {name}" for name in odd]
    wrong += [f"half written: {name}" for name in unreadable(disk)]
    if not filling.resumes and there:
        wrong.append(f"part of a set: {sorted(there)}")
    return wrong


def tried(filling: Filling, place: Path) -> int:
    """Disks on which a command did not end as it should."""
    disk, broken = place / "disk", 0
    mounted(disk, ROOM)
    whole = run(filling.words, disk)
    expected = files(disk)
    subprocess.run(["umount", str(disk)], check=True)
    if whole.returncode not in (0, 1):
        raise SystemExit(f"{filling.verb}: {whole.returncode} {whole.stderr}")
    takes = sum(-(-size // PAGE) * PAGE for size in expected.values())
    print(f"{filling.verb}: {len(expected)} files, {takes:,} bytes with whole pages", flush=True)
    for share in SHARES:
        mounted(disk, int(takes * share))
        found = run(filling.words, disk)
        wrong = judged(found, filling, disk)
        kept = len(files(disk))
        subprocess.run(["mount", "-o", f"remount,size={ROOM}", str(disk)], check=True)
        again = run(filling.words, disk)
        if again.returncode != whole.returncode or set(files(disk)) != set(expected):
            wrong.append(f"with room: {again.returncode} {again.stderr[-200:]!r}, {sorted(files(disk))}")
        subprocess.run(["umount", str(disk)], check=True)
        broken += bool(wrong)
        said = "; ".join(wrong) or f"right, {kept} files kept; with room whole: {found.stderr.strip()[-110:]}"
        print(f"  disk of {share:.0%}: {said}", flush=True)
    return broken


def main() -> None:
    """Enter a namespace, then try every command."""
    if INSIDE not in os.environ:
        words = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, *sys.argv]
        os.execvpe(words[0], words, {**os.environ, INSIDE: "1"})  # noqa: S606
    from openai_server import openai_server

    only, broken = set(sys.argv[1:]), 0
    with (
        tempfile.TemporaryDirectory(prefix="full-") as name,
        openai_server(ttft_s=0.02, itl_s=0.001, model=MODEL) as (url, _),
    ):
        place = Path(name)
        made = run(("recommend", *ASKED, *TARGETS, "-o", "answer"), place)
        if made.returncode:
            raise SystemExit(made.stderr)
        (place / "sweep.yaml").write_text(SWEEP)
        for filling in commands(place, url):
            if not only or filling.verb in only:
                broken += tried(filling, place)
        shutil.rmtree(place / "answer")
    print(f"{broken} went wrong")
    sys.exit(int(broken > 0))


if __name__ == "__main__":
    main()
