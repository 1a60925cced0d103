"""A place of its own for what is killed: cache, temporary files and output; what lies there afterwards."""

import atexit
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIGNALS = (*[signal.SIGKILL] * 5, signal.SIGTERM, signal.SIGINT)
END_S = 60.0  # that a command may take after its signal
STAYS_S = 10.0  # processes beside a command look every half second whether it is there
_SHARED = Path("/dev/shm")  # noqa: S108 - looked at, not written to


def processes_with(mark: str) -> list[int]:
    """Processes that have this in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything that a command may write lies below root; env makes it so."""

    root: Path
    env: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """Its cache, and what marks its processes."""
        return Path(self.env["SIMKIT_CACHE"])

    def processes(self) -> list[int]:
        """All that this place is named to as cache or for temporary files, and so came of these commands."""
        return processes_with(str(self.root))

    def left(self, folder: Path) -> list[str]:
        """Processes that stay, notes, locks and temporary files, also of the output folder."""
        end = time.monotonic() + STAYS_S
        while self.processes() and time.monotonic() < end:
            time.sleep(0.1)
        notes = [str(path) for path in (self.cache / "running").glob("*")]
        unfinished = [
            str(path) for path in folder.rglob("*") if path.name.startswith(".") or path.name == "lock"
        ]
        locks = [str(path) for path in self.cache.rglob("*.lock")]
        temporary = [str(path) for path in (self.root / "tmp").iterdir()]
        return [
            *(f"process {pid}: {_words_of(pid)}" for pid in self.processes()),
            *notes,
            *unfinished,
            *locks,
            *temporary,
        ]


def _words_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80]
    except OSError:
        return "gone"


@contextmanager
def place(**more: str) -> Iterator[Place]:
    """An empty one; a signal of the terminal reaches its commands even where this runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        root = Path(name)
        (root / "tmp").mkdir()
        env = {**os.environ, "TMPDIR": str(root / "tmp"), "SIMKIT_CACHE": str(root / "cache"), **more}
        yield Place(root=root, env=env)


def shared_memory() -> set[str]:
    """What lies in shared memory, by name."""
    return {path.name for path in _SHARED.glob("*")} if _SHARED.is_dir() else set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: its number, whether it was killed and by what, its status, its last words."""

    pid: int
    number: signal.Signals | None
    after_s: float
    status: int
    said: str

    @property
    def odd(self) -> str:
        """What is wrong with that end; empty where nothing is."""
        number = self.number
        right = (0,) if number is None else (-number, 128 + number, 0, 1)
        if self.status not in right:
            return f"exit status {self.status} after {number.name if number else 'no signal'}: {self.said}"
        if "Traceback" in self.said and "KeyboardInterrupt" not in self.said.rsplit("\n", 2)[-1]:
            return f"a traceback after {number.name if number else 'no signal'}: {self.said[-300:]}"
        return ""


def command(where: Place, words: Sequence[str]) -> "subprocess.Popen[str]":
    """`simkit` with these words, from the folder of the place."""
    return subprocess.Popen(
        [sys.executable, "-m", "simkit", *words], env=dict(where.env), cwd=where.root, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


class Forked:
    """`simkit` with these words in a copy of this process, which has everything imported: it is cheap."""

    def __init__(self, where: Place, words: Sequence[str]) -> None:
        self.args, self._said = words, where.root / "said.txt"
        self._said.unlink(missing_ok=True)
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            self._run(where)

    def _run(self, where: Place) -> None:
        from simkit.cli.main import main

        status = 1
        atexit._clear()  # what the harness removes at its end
        try:
            os.environ.update(where.env)
            os.chdir(where.root)
            tempfile.tempdir = None
            for number, path in ((1, os.devnull), (2, self._said)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            sys.argv = ["simkit", *self.args]
            main()
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 0
        except BaseException:  # noqa: BLE001 - said, as the interpreter would
            traceback.print_exc()
        finally:  # as the interpreter ends, which this copy of it must not outlive
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stderr.flush()
            os._exit(status)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """As of subprocess.Popen."""
        end = time.monotonic() + (1e9 if timeout is None else timeout)
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            else:
                time.sleep(0.005)
        return "", self._said.read_text() if self._said.exists() else ""

    def send_signal(self, number: int) -> None:
        """As of subprocess.Popen."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As of subprocess.Popen."""
        os.kill(self.pid, signal.SIGKILL)


def ended(process: "subprocess.Popen[str] | Forked", after_s: float, number: signal.Signals) -> Ended:
    """Wait so long, then send a signal, where it has not ended by itself."""
    begun, sent = time.monotonic(), None
    try:
        _, said = process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        sent = number
        try:
            _, said = process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit(f"no end within {END_S:g} s of {number.name}: {process.args}") from None
    return Ended(
        pid=process.pid, number=sent, after_s=time.monotonic() - begun, status=process.returncode or 0,
        said=said.strip(),
    )  # fmt: skip


def whole(where: Place, words: Sequence[str]) -> float:
    """Run a command to its end; seconds that it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "simkit", *words], env=dict(where.env), cwd=where.root, check=False, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode not in (0, 1):  # 1: a target was missed, which is an answer
        raise SystemExit(f"{' '.join(words)}: {done.returncode} {done.stderr[-500:]}")
    return time.monotonic() - begun


def moment(rng: random.Random, lasts: float) -> tuple[float, signal.Signals]:
    """When to kill, and how."""
    return rng.uniform(0.0, lasts), rng.choice(SIGNALS)
