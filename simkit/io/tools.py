"""AIPerf and Dynamo: found where the user has them, or made in an environment of their own on request.

Both pin their dependencies tightly and are large, so they never share simkit's environment.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from simkit.core.errors import ExternalError, InputError, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that runs as a process of its own.

    program is looked for on PATH; variable names it outright; steps are pip's arguments, one call each.
    """

    name: str
    program: str
    variable: str
    steps: tuple[tuple[str, ...], ...]


AIPERF = Tool(name="aiperf", program="aiperf", variable="SIMKIT_AIPERF", steps=(("aiperf>=0.13,<0.14",),))
# ai-dynamo with its own dependencies does not install from the public index: one of them is a placeholder
# there. Frontend and mocker do without it.
DYNAMO = Tool(
    name="dynamo",
    program="python3",
    variable="SIMKIT_DYNAMO",
    steps=(
        ("ai-dynamo-runtime==1.6.1",),
        ("--no-deps", "ai-dynamo==1.6.1"),
        (
            "aiohttp", "certifi", "kubernetes>=32.0.1,<33", "msgspec", "prometheus-client", "pyzmq",
            "redis<9", "tqdm", "transformers>=4.56.0", "zstandard", "uvloop",
        ),
    ),
)  # fmt: skip
TOOLS = {tool.name: tool for tool in (AIPERF, DYNAMO)}


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
    made = _environment(tool, environ) / "bin" / tool.program
    if made.is_file() and _finished(made.parents[1]):
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
    tool: Tool, say: Callable[[str], None], environ: Mapping[str, str] | None = None, timeout_s: float = 1800
) -> Path:
    """Install a tool into its environment under the cache, whole or not at all; gives the program.

    Raises ExternalError with pip's last words when that fails.
    """
    home = _environment(tool, environ)
    if not _finished(home):
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        say(f"making {home}")
        _run([sys.executable, "-m", "venv", str(home)], tool, timeout_s)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for step in tool.steps:
            say(f"installing {' '.join(step)}")
            _run([*pip, *step], tool, timeout_s)
        _marker(home).write_text("\n".join(" ".join(step) for step in tool.steps), encoding="utf-8")
    return home / "bin" / tool.program


def _environment(tool: Tool, environ: Mapping[str, str] | None) -> Path:
    return cache_dir(environ) / "envs" / tool.name


def _marker(home: Path) -> Path:
    return home / ".simkit-finished"


def _finished(home: Path) -> bool:
    return _marker(home).is_file()


def _run(command: list[str], tool: Tool, timeout_s: float) -> None:
    try:
        done = subprocess.run(  # noqa: S603 (the words are ours)
            command, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExternalError(f"{tool.name}: {command[0]} did not finish ({error}); try again") from error
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
        reason = said[0] if said else (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExternalError(
            f"{tool.name}: pip failed ({reason[:300]}); check that a package index can be reached"
        )
