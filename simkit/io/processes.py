"""Child processes that do not outlive us: a group of their own, a log, and a note on disk for each.

The note is there before the process is, and each process carries the note's token in its environment. So a
later run finds what was left behind, at whatever instant we were killed, and never takes a stranger for it.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from simkit.core.errors import ExternalError

_GRACE_S = 8.0
_MILD = re.compile(r"\b(?:DEBUG|INFO|WARNING|WARN)\b")
_ERROR = re.compile(r"\b(?:[A-Za-z_]+\.)*[A-Z][A-Za-z]*(?:Error|Exception): \S.*")
_POLL_S = 0.05
CHILD_VARIABLE = "SIMKIT_CHILD"
OURS = ("simkit-", ".simkit-")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is known of a child: its token, its number and start time, ours, and the folders it needs.

    pid is 0 until it is started.
    """

    token: str
    pid: int
    started: str
    owner: int
    owner_started: str
    command: list[str]
    folders: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a child: its words, its log, its environment, folders that go with it when it ends.

    It gets a TMPDIR of its own, which goes with it too. Names of such folders begin with one of OURS, so that
    nothing else is ever removed.
    """

    command: Sequence[str]
    log: Path
    env: Mapping[str, str]
    folders: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        strangers = [folder.name for folder in self.folders if not folder.name.startswith(OURS)]
        if strangers:
            raise ValueError(
                f"folders that go with a child are named {' or '.join(OURS)}..., not {strangers}"
            )


class Child:
    """A started process and everything it starts in turn. Use as a context, or call stop()."""

    def __init__(self, launch: Launch, registry: Path) -> None:
        self.launch = launch
        self.log = launch.log
        self._token = secrets.token_hex(8)
        self._folders = (*launch.folders, Path(tempfile.gettempdir()) / f"simkit-{self._token}")
        self._note = registry / f"{self._token}.json"
        self.pid = 0
        try:
            launch.log.parent.mkdir(parents=True, exist_ok=True)
            self._write_note()
            self._start()
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise ExternalError(f"{launch.command[0]}: cannot be started ({error.strerror})") from error
            raise

    def _start(self) -> None:
        temporary = self._folders[-1]
        temporary.mkdir(mode=0o700)
        env = {**self.launch.env, "TMPDIR": str(temporary), CHILD_VARIABLE: self._token}
        with self.launch.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (the words are ours)
                list(self.launch.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._write_note()

    def _write_note(self) -> None:
        note = Note(
            token=self._token,
            pid=self.pid,
            started=start_time(self.pid) or "" if self.pid else "",
            owner=os.getpid(),
            owner_started=start_time(os.getpid()) or "",
            command=list(self.launch.command),
            folders=[str(folder) for folder in self._folders],
        )
        self._note.parent.mkdir(parents=True, exist_ok=True)
        part = self._note.with_name(f".{self._token}.{os.getpid()}.part")
        part.write_text(json.dumps(asdict(note)), encoding="utf-8")
        part.replace(self._note)

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int:
        """The exit status. Raises TimeoutError when it does not end in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"no end after {timeout_s:.0f} s") from error

    def tail(self, lines: int = 5) -> str:
        """The last lines of the log on one line, for messages."""
        return log_tail(self.log, lines)

    def reason(self) -> str:
        """What its log says of why it ended, on one line, for messages."""
        return log_reason(self.log)

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """End the whole group, first politely; then forget it. Safe to call again."""
        if self.pid:
            end_group(self.pid, grace_s, self._process.poll)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
        _end_bearers(self._token)
        _remove(self._folders)
        with contextlib.suppress(OSError):
            self._note.unlink(missing_ok=True)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def end_group(group: int, grace_s: float, reap: Callable[[], object] = lambda: None) -> None:
    """Ask a process group to end, then make it."""
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _GRACE_S)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            reap()
            if not group_alive(group):
                return
            time.sleep(_POLL_S)


def _end_bearers(token: str) -> int:
    """End what carries a token though it left its group, or was started before its number was noted."""
    found = [pid for pid in _running() if _bears(pid, token)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _running() -> Iterator[int]:
    """Every process that may be one of ours."""
    if _PROC.joinpath("self").exists():
        yield from (int(item.name) for item in _PROC.iterdir() if item.name.isdigit())


def _bears(pid: int, token: str) -> bool:
    try:
        return f"{CHILD_VARIABLE}={token}".encode() in (_PROC / str(pid) / "environ").read_bytes().split(
            b"\0"
        )
    except OSError:
        return False


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.name.startswith(OURS):
            shutil.rmtree(folder, ignore_errors=True)


def group_alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def start_time(pid: int) -> str | None:
    """When a process started, in the system's own words; None when there is none with that number."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    done = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def clean_orphans(registry: Path) -> list[str]:
    """End what a run of ours left behind when it was killed; gives the commands that were ended.

    Children whose owner still runs are left alone, and so is whatever merely has a child's number.
    """
    ended = []
    _clear_parts(registry)
    for file in sorted(registry.glob("*.json")) if registry.is_dir() else []:
        note = _read_note(file)
        if note is None or start_time(note.owner) == note.owner_started:
            continue
        now = start_time(note.pid) if note.pid else ""
        # A group outlives its leader; its number is not given away while a member lives.
        alive = bool(note.pid) and (now == note.started or (now is None and group_alive(note.pid)))
        if alive:
            end_group(note.pid, _GRACE_S)
        if _end_bearers(note.token) or alive:
            ended.append(" ".join(note.command[:4]))
        _remove([Path(folder) for folder in note.folders])
        file.unlink(missing_ok=True)
    return ended


def _clear_parts(registry: Path) -> None:
    """Remove notes whose writer was killed while it wrote."""
    for part in registry.glob(".*.part"):
        owner = part.name.split(".")[-2]
        if not owner.isdigit() or start_time(int(owner)) is None:
            part.unlink(missing_ok=True)


def _read_note(file: Path) -> Note | None:
    """A note; one that cannot be read is removed, for nobody can say what it was about."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Note).validate_json(file.read_bytes(), strict=True)
    except (ValidationError, OSError):
        file.unlink(missing_ok=True)
        return None


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log that say something, on one line; empty where there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])[-600:]


def log_reason(log: Path, lines: int = 3) -> str:
    """Why a process ended, by its log: the first error it names, which is the cause of others, then its last
    lines; empty where it said nothing.
    """
    last = log_tail(log, lines)
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return last
    severe = (line for line in text.splitlines() if not _MILD.search(line))
    first = next((match[0] for line in severe if (match := _ERROR.search(line))), "")
    return last if not first or first in last else f"{first[:400]} | ... | {last}"
