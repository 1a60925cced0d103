"""AIPerf and Dynamo: found where the user has them, or made in an environment of their own on request.

Both pin their dependencies tightly and are large, so they never share simkit's environment. Every package of
such an environment is fixed, with its hashes, by a file of data/tools (experiments/tools/lock.py makes them).
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from simkit.core.errors import ExternalError, InputError, unknown_name
from simkit.io.locks import held
from simkit.io.paths import data_dir
from simkit.io.processes import Child, Launch, clean_orphans, log_tail
from simkit.io.yamlio import write_text_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that runs as a process of its own.

    program is looked for on PATH; variable names it outright. made: we can install it; check then holds words
    that it answers with status 0 if it works.
    """

    name: str
    program: str
    variable: str
    made: bool = False
    check: tuple[str, ...] = ()

    @property
    def lock(self) -> Path:
        """Every package of its environment, with hashes, as pip reads them."""
        path = data_dir() / "tools" / f"{self.name}.txt"
        if not path.is_file():
            raise InputError(
                f"{path}: the list of {self.name}'s packages is missing; complete the data folder"
            )
        return path


AIPERF = Tool(name="aiperf", program="aiperf", variable="SIMKIT_AIPERF", made=True, check=("--version",))
DYNAMO = Tool(
    name="dynamo",
    program="python3",
    variable="SIMKIT_DYNAMO",
    made=True,
    check=("-c", "import dynamo.frontend, dynamo.mocker, dynamo.llm"),
)
TOOLS = {tool.name: tool for tool in (AIPERF, DYNAMO)}
_WAIT_S = 3600.0
_CHECK_S = 300.0


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where environments and notes on running children are kept: the user's cache, never the repository."""
    environ = os.environ if environ is None else environ
    own, shared = environ.get("SIMKIT_CACHE"), environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own).expanduser()
    return (Path(shared) if shared else Path.home() / ".cache") / "simkit"


def registry(environ: Mapping[str, str] | None = None) -> Path:
    """Notes on running children."""
    return cache_dir(environ) / "running"


def tool_named(name: str) -> Tool:
    """The tool of that name. Raises UnknownNameError."""
    if name not in TOOLS:
        raise unknown_name("tool", name, TOOLS)
    return TOOLS[name]


def find_tool(tool: Tool, given: str | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The program: as given, from its variable, from our cache, else from PATH; None where it is nowhere.

    Raises InputError when the one that was named does not exist.
    """
    environ = os.environ if environ is None else environ
    named = given or environ.get(tool.variable)
    if named:
        found = shutil.which(named, path=environ.get("PATH")) or shutil.which(str(Path(named).expanduser()))
        if not found:
            raise InputError(f"{tool.name}: {named} is no program; correct the option or {tool.variable}")
        return Path(found)
    made = _environment(tool, environ) / "bin" / tool.program if tool.made else None
    if made and made.is_file() and _finished(made.parents[1]):
        return made
    if tool.program.startswith("python"):  # any python is on PATH, but hardly one with the packages
        return None
    found = shutil.which(tool.program, path=environ.get("PATH"))
    return Path(found) if found else None


def require_tool(tool: Tool, given: str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """As find_tool. Raises ExternalError with the remedy where it is nowhere."""
    found = find_tool(tool, given, environ)
    if found is None:
        raise ExternalError(
            f"{tool.name} is not installed; `simkit tools --make {tool.name}` puts it into an environment of "
            f"its own under {cache_dir(environ)}, or name one by {tool.variable}"
        )
    return found


def make_tool(
    tool: Tool,
    say: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
    tried: Callable[[Path, Path], None] = lambda program, folder: None,
) -> Path:
    """Install a tool into its environment under the cache, whole or not at all; gives the program.

    It counts once it has run; `tried` may try more of it, in a folder of its own. A second call meanwhile
    waits for the first. Raises ExternalError with pip's last words when that fails.
    """
    home = _environment(tool, environ)
    program = home / "bin" / tool.program
    running = registry(environ)
    with held(
        home.with_name(f"{home.name}.lock"),
        "wait for it",
        wait_s=_WAIT_S,
        waiting=lambda holder: say(f"waiting for another installation of {tool.name} ({holder})"),
    ):
        if _finished(home):
            return program
        clean_orphans(running)
        shutil.rmtree(home, ignore_errors=True)
        steps = _steps(tool, home)
        for number, (words, about, seconds) in enumerate(steps, start=1):
            say(f"{tool.name}, step {number} of {len(steps)}: {about}")
            log = home.with_name(f"{home.name}.log")
            _run(tool, Launch(command=words, log=log, env=_quiet_env()), running, seconds)
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
            tried(program, Path(folder))
        write_text_atomic(_marker(home), f"{tool.lock.name} {_digest(tool)}\n")
    return program


def _steps(tool: Tool, home: Path) -> tuple[tuple[list[str], str, float], ...]:
    """What is run one after the other: words, what they do, seconds they may take."""
    count = sum("==" in line for line in tool.lock.read_text(encoding="utf-8").splitlines())
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = ["--require-hashes", "--no-deps", "--no-compile", "-r", str(tool.lock)]
    check = [str(home / "bin" / tool.program), *tool.check]
    return (
        ([sys.executable, "-m", "venv", str(home)], f"an environment at {home}", 600.0),
        ([*pip, *pinned], f"{count} packages, as {tool.lock} fixes them", 3600.0),
        (check, "does it run?", _CHECK_S),
    )


def _quiet_env() -> dict[str, str]:
    return {**os.environ, "PIP_NO_INPUT": "1", "PYTHONNOUSERSITE": "1"}


def _environment(tool: Tool, environ: Mapping[str, str] | None) -> Path:
    """One for each list of packages and Python: a newer simkit never spoils what an older one runs."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return cache_dir(environ) / "envs" / f"{tool.name}-{_digest(tool)}-{python}"


def _digest(tool: Tool) -> str:
    return hashlib.sha256(tool.lock.read_bytes()).hexdigest()[:12]


def _marker(home: Path) -> Path:
    return home / ".simkit-finished"


def _finished(home: Path) -> bool:
    return _marker(home).is_file()


def _run(tool: Tool, launch: Launch, running: Path, timeout_s: float) -> None:
    """Run one step. Raises ExternalError with its last words."""
    launch.log.unlink(missing_ok=True)
    with Child(launch, running) as child:
        try:
            status = child.wait(timeout_s)
        except TimeoutError as error:
            raise ExternalError(
                f"{tool.name}: {launch.command[0]}: {error}; try again, its log is {launch.log}"
            ) from error
    if status:
        said = _complaint(launch.log)
        raise ExternalError(
            f"{tool.name}: {Path(launch.command[0]).name} ended with status {status} ({said}); check that a "
            f"package index can be reached, its log is {launch.log}"
        )


def _complaint(log: Path) -> str:
    """The first line of pip's log that names an error, else its last one."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    wrong = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return wrong[0][:300] if wrong else log_tail(log, 1) or "no message"
