"""Where an engine is started in a shell command, and what the words in front of it say of its GPUs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from simkit.core.errors import InputError
from simkit.core.placed import Placed
from simkit.core.words import listed
from simkit.engines.registry import engine_specs
from simkit.engines.spec import EngineSpec
from simkit.launch.shell import Origin, ShellCommand, read_script

_CONTAINERS = ("docker", "podman", "nerdctl")
_RUNS = ("run", "exec", "create")  # what of a container tool starts something; pull and build do not
_WRAPPERS = ("env", "exec", "nohup", "time", "sudo", "command", "ionice", "nice")
_TALK = ("echo", "printf", "grep", "pgrep", "pkill", "which", "pip", "pip3", "git", "apt-get", "curl", "cd")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_LAUNCHERS = ("mpirun", "mpiexec", "srun", "torchrun", "numactl", "nsys", "uv", "uvx")
_MAX_SHELLS = 3
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStart:
    """One engine as it was started. words are its arguments.

    num_gpus is what one node gives it, where the command says so. prefix names what stood in front
    and was passed over; environment the variables that were set in front of it. files are those that the
    text makes or mounts, by path. worker: Dynamo's worker and not the engine's own server.
    """

    backend: str
    label: str
    words: tuple[str, ...]
    num_gpus: int | None = None
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    worker: bool = False
    branch: int | None = None  # line of a test that may keep it from being started


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The engines that a text starts, the first words of its other commands, and what to tell of it."""

    starts: tuple[EngineStart, ...]
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def engine_starts(
    text: str, environment: Mapping[str, str] | None = None, origin: Origin | None = None
) -> Started:
    """The engines that a shell text starts.

    Raises InputError where there is none, or where it is not said which of several.
    """
    commands, files = _commands(text, environment or {}, origin or Origin(), 0)
    found = started_by(commands, files)
    lines = list(dict.fromkeys(item.branch for item in found.starts if item.branch is not None))
    if lines and len(found.starts) > 1:
        raise InputError(
            f"command line: which branch line {lines[0]} takes is not said in the text, and several "
            "engines are started; give the commands that run"
        )
    told = [f"read from a branch whose test (line {line}) cannot be decided here" for line in lines]
    if not found.starts:
        named = f" (it runs {', '.join(found.others[:5])})" if found.others else ""
        raise InputError(
            f"command line: no engine is started in it{named}; expected one of: {'; '.join(known_starts())}"
        )
    return Started(starts=found.starts, others=found.others, notes=tuple(told))


def started_by(commands: Sequence[ShellCommand], files: Mapping[str, str]) -> Started:
    """The engines among simple commands, and the first words of the others."""
    starts: list[EngineStart] = []
    others: list[str] = []
    for command in map(_unwrapped, commands):
        found = _start(command, files)
        if found:
            starts.append(found)
        elif command.words:
            others.append(command.words[0].rsplit("/", 1)[-1][:40])
    return Started(starts=tuple(starts), others=tuple(dict.fromkeys(others)))


def known_starts() -> tuple[str, ...]:
    """How engines are started, in words."""
    specs = engine_specs()
    workers = listed([spec.worker.module for spec in specs], "or")
    return (*(start for spec in specs for start in spec.server.shown), f"python -m {workers}")


def _commands(
    text: str, environment: Mapping[str, str], origin: Origin, depth: int
) -> tuple[list[ShellCommand], dict[str, str]]:
    """The commands of a text, and of the texts that it hands to other shells; the files that it writes."""
    script = read_script(text, environment, origin)
    found: list[ShellCommand] = []
    files = dict(script.files)
    for command in script.commands:
        inner = _inner_shell(command.words)
        if inner is None or depth == _MAX_SHELLS:
            found.append(command)
            continue
        before, text_inside = inner
        given = {**command.environment, **_container_environment(before)}
        where = (
            Origin(file=origin.file, first_line=text_inside.line)
            if isinstance(text_inside, Placed)
            else origin
        )
        nested, more = _commands(text_inside, given, where, depth + 1)
        files |= more
        # What stands in front of the shell (docker run ...) holds for what the shell runs.
        found += [
            replace(item, words=(*before, *item.words), branch=item.branch or command.branch)
            for item in nested
        ]
    return found, files


def shell_inside(words: Sequence[str]) -> str | None:
    """The script that words hand to a shell (`bash -c SCRIPT`), where they begin with one."""
    inner = _inner_shell(words)
    return inner[1] if inner is not None and not inner[0] else None


def _unwrapped(command: ShellCommand) -> ShellCommand:
    """Without env, exec, nohup and the like in front, whose assignments are the command's environment."""
    words, own = list(command.words), {}
    while words:
        match = _ASSIGNMENT.fullmatch(words[0])
        if match:
            own[match[1]] = match[2]
        elif words[0] not in _WRAPPERS or len(words) == 1:
            break
        words.pop(0)
    return replace(command, words=tuple(words), environment={**command.environment, **own})


def _inner_shell(words: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """The words before a shell, and the text that it is handed; None where there is no shell."""
    if words and words[0] == "eval":
        return (), " ".join(words[1:])
    for index, word in enumerate(words[:-2]):
        if word.rsplit("/", 1)[-1] not in ("sh", "bash", "ash", "dash", "zsh"):
            continue
        for place in range(index + 1, len(words) - 1):
            if not words[place].startswith("-"):
                break
            if re.fullmatch(r"-[a-z]*c", words[place]):
                return tuple(words[:index]), words[place + 1]
    return None


def _start(command: ShellCommand, files: Mapping[str, str]) -> EngineStart | None:
    words = _entry_point(command.words)
    place = _place(words)
    if place is None:
        return None
    first, end, backend = place
    before = words[:first]
    python = before[-1:] if before and re.match(r"python[\d.]*$", before[-1].rsplit("/", 1)[-1]) else ()
    label = " ".join(word.rsplit("/", 1)[-1] for word in (*python, *words[first:end]))
    given = {**command.environment, **_container_environment(before)}
    return EngineStart(
        backend=backend,
        label=label,
        words=words[end:],
        num_gpus=_num_gpus(before, given),
        prefix=_prefix(before[: len(before) - len(python)]),
        environment={name: value for name, value in given.items() if name != _VISIBLE},
        files=files,
        branch=command.branch,
        worker=engine_specs_by_worker().get(words[end - 1]) == backend,
    )


def engine_specs_by_worker() -> dict[str, str]:
    """Engines by the module of their worker in Dynamo."""
    return {spec.worker.module: spec.name for spec in engine_specs()}


def _entry_point(words: tuple[str, ...]) -> tuple[str, ...]:
    """`docker run --entrypoint vllm IMAGE serve ...` in the order in which it runs."""
    if not words or words[0].rsplit("/", 1)[-1] not in _CONTAINERS or "--entrypoint" not in words:
        return words
    place = words.index("--entrypoint")
    image = _image(words[place + 2 :])
    if image is None or place + 1 >= len(words):
        return words
    entry, behind = words[place + 1], place + 3 + image
    return (*words[:place], *words[place + 2 : behind - 1], *entry.split(), *words[behind:])


def _image(words: Sequence[str]) -> int | None:
    patterns = [spec.server.image for spec in engine_specs() if spec.server.image]
    return next(
        (i for i, word in enumerate(words) if any(re.fullmatch(item, word) for item in patterns)), None
    )


def _place(words: Sequence[str]) -> tuple[int, int, str] | None:
    """Index of the first word that starts an engine, index behind it, and the engine."""
    specs = engine_specs()
    containers = bool(words) and words[0].rsplit("/", 1)[-1] in _CONTAINERS
    if words and (words[0].rsplit("/", 1)[-1] in _TALK or (containers and not set(words) & set(_RUNS))):
        return None
    for index, word in enumerate(words):
        name, following = word.rsplit("/", 1)[-1], words[index + 1] if index + 1 < len(words) else ""
        for spec in specs:
            length = _start_words(spec, (word, name), following)
            if length:
                return index, index + length, spec.name
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
