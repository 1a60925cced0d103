"""Where an engine is started in a shell command, and what the words in front of it say of its GPUs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simkit.core.errors import InputError
from simkit.core.words import listed
from simkit.engines.registry import engine_specs
from simkit.engines.spec import EngineSpec
from simkit.formats.engine_command.shell_text import ShellCommand, shell_commands

_CONTAINERS = ("docker", "podman", "nerdctl")
_LAUNCHERS = ("mpirun", "mpiexec", "srun", "torchrun", "numactl", "nsys", "uv", "uvx")
_MAX_SHELLS = 3
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStart:
    """One engine as it was started. words are its arguments.

    num_gpus is what one node gives it, where the command says so. prefix names what stood in front
    and was passed over; environment the variables that were set, without their values.
    """

    backend: str
    label: str
    words: tuple[str, ...]
    num_gpus: int | None = None
    prefix: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


def engine_starts(text: str) -> tuple[list[EngineStart], list[str]]:
    """The engines that a shell text starts, and the first words of its other commands.

    Raises InputError where there is none.
    """
    starts: list[EngineStart] = []
    others: list[str] = []
    for command in _commands(text, {}, 0):
        found = _start(command)
        if found:
            starts.append(found)
        else:
            others.append(command.words[0].rsplit("/", 1)[-1][:40])
    if not starts:
        named = f" (it runs {', '.join(dict.fromkeys(others[:5]))})" if others else ""
        raise InputError(
            f"command line: no engine is started in it{named}; expected one of: {'; '.join(known_starts())}"
        )
    return starts, list(dict.fromkeys(others))


def known_starts() -> tuple[str, ...]:
    """How engines are started, in words."""
    specs = engine_specs()
    workers = listed([spec.worker.module for spec in specs], "or")
    return (*(start for spec in specs for start in spec.server.shown), f"python -m {workers}")


def _commands(text: str, environment: Mapping[str, str], depth: int) -> list[ShellCommand]:
    """The commands of a text, and of the texts that it hands to other shells."""
    found = []
    for command in shell_commands(text, environment):
        inner = _inner_shell(command.words)
        if inner is None or depth == _MAX_SHELLS:
            found.append(command)
            continue
        before, script = inner
        nested = _commands(script, command.environment, depth + 1)
        # What stands in front of the shell (docker run ...) holds for what the shell runs.
        found += [ShellCommand(words=(*before, *item.words), environment=item.environment) for item in nested]
    return found


def _inner_shell(words: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    for index, word in enumerate(words[:-2]):
        option = words[index + 1]
        if word.rsplit("/", 1)[-1] in ("sh", "bash") and re.fullmatch(r"-[a-z]*c", option):
            return tuple(words[:index]), words[index + 2]
    return None


def _start(command: ShellCommand) -> EngineStart | None:
    place = _place(command.words)
    if place is None:
        return None
    first, end, backend = place
    before = command.words[:first]
    python = before[-1:] if before and re.match(r"python[\d.]*$", before[-1].rsplit("/", 1)[-1]) else ()
    label = " ".join(word.rsplit("/", 1)[-1] for word in (*python, *command.words[first:end]))
    given = {**command.environment, **_container_environment(before)}
    return EngineStart(
        backend=backend,
        label=label,
        words=command.words[end:],
        num_gpus=_num_gpus(before, given),
        prefix=_prefix(before[: len(before) - len(python)]),
        environment=tuple(name for name in given if name != _VISIBLE),
    )


def _place(words: Sequence[str]) -> tuple[int, int, str] | None:
    """Index of the first word that starts an engine, index behind it, and the engine."""
    specs = engine_specs()
    for index, word in enumerate(words):
        name, following = word.rsplit("/", 1)[-1], words[index + 1] if index + 1 < len(words) else ""
        for spec in specs:
            length = _start_words(spec, (word, name), following)
            if length:
                return index, index + length, spec.name
    containers = words and words[0].rsplit("/", 1)[-1] in _CONTAINERS
    for index, word in enumerate(words if containers else ()):
        for spec in specs:
            # The image whose entry point is the server itself.
            if spec.server.image and re.fullmatch(spec.server.image, word):
                return index, index + 1, spec.name
    return None


def _start_words(spec: EngineSpec, start: tuple[str, str], following: str) -> int:
    """How many words start the engine: the one given, as written and by its last part, and the next; or 0."""
    (word, name), server = start, spec.server
    if (name, following) in server.commands:
        return 2
    if name in server.bare:
        _check_server(name, following, server.refused)
        return 1
    return 2 if word == "-m" and following in (*server.modules, spec.worker.module) else 0


def _check_server(name: str, following: str, refused: Sequence[str]) -> None:
    if following in refused:
        raise InputError(
            f"command line: {name} {following} is not one engine; give the commands of its context "
            "and generation servers, with --server_role"
        )


def _prefix(before: Sequence[str]) -> tuple[str, ...]:
    """What to call the words in front: the container tool, launchers, or the first word."""
    names = [word.rsplit("/", 1)[-1] for word in before]
    if names and names[0] in _CONTAINERS:
        return (f"{names[0]} run",)
    launchers = (*_LAUNCHERS, *(spec.server.launcher for spec in engine_specs()))
    known = [name for name in names if name in launchers]
    return tuple(dict.fromkeys(known or [name[:40] for name in names[:1]]))


def _container_environment(before: Sequence[str]) -> dict[str, str]:
    found = {}
    for index, word in enumerate(before[:-1]):
        if word in ("-e", "--env"):
            name, _, value = before[index + 1].partition("=")
            found[name] = value
        elif word.startswith("--env="):
            name, _, value = word.removeprefix("--env=").partition("=")
            found[name] = value
    return found


def _num_gpus(before: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """GPUs the engine can see on its node: the fewest that anything in front of it says."""
    counts = [_listed(environment[_VISIBLE])] if _VISIBLE in environment else []
    for index, word in enumerate(before):
        if word == "--gpus" and index + 1 < len(before):
            counts.append(_container_gpus(before[index + 1]))
        elif word.startswith("--gpus="):
            counts.append(_container_gpus(word.removeprefix("--gpus=")))
    known = [count for count in counts if count is not None]
    return min(known, default=None)


def _container_gpus(text: str) -> int | None:
    """docker's --gpus: all, a number, or devices by index."""
    text = text.strip("'\"")
    if text.startswith("device="):
        return _listed(text.removeprefix("device="))
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def _listed(text: str) -> int | None:
    devices = [item for item in text.strip("'\"").split(",") if item.strip()]
    return len(devices) if devices and not any("$" in item for item in devices) else None
