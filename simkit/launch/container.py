"""What a container of Kubernetes or Compose runs: its command with its environment, as words."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simkit.core.errors import InputError
from simkit.core.placed import Placed, placed_like
from simkit.launch.shell import Origin, read_script
from simkit.launch.starts import EngineStart, engine_specs_by_worker, engine_starts, shell_inside

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStart:
    """What a container starts: the words of the program that matters, its environment and its files."""

    tokens: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def container_start(
    container: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
    shared: Iterable[Any] = (),
    maps: Mapping[str, Mapping[str, Any]] | None = None,
) -> ContainerStart:
    """What a container of Kubernetes runs; `shared` is environment that it has from its deployment.

    maps are ConfigMaps of the same file by name. Of a script it is the engine that is started, else the
    last command.
    """
    items = [*_from_maps(container, maps or {}), *shared, *listed(container.get("env"))]
    environment = container_environment(items, maps)
    words = [_filled(item, environment) for key in ("command", "args") for item in listed(container.get(key))]
    script = shell_inside(words)
    known = dict(files or {})
    if script is None:
        # One string that holds a whole command line is how some blueprints write args.
        tokens = [part for word in words for part in (split_line(word) if _is_line(word) else [word])]
        return ContainerStart(tokens=tuple(tokens), environment=environment, files=known)
    return _script_start(script, words, environment, known)


def _script_start(
    script: str, words: Sequence[str], environment: Mapping[str, str], files: Mapping[str, str]
) -> ContainerStart:
    where = Origin(file=script.file, first_line=script.line) if isinstance(script, Placed) else Origin()
    # What stands behind the script are its own $0, $1 and so on.
    behind = words[list(words).index(script) + 1 :]
    numbered = {str(index): word for index, word in enumerate(behind)}
    try:
        found = engine_starts(script, {**environment, **numbered}, where)
    except InputError as error:
        if not str(error).startswith("command line: no engine"):
            raise
        return _other(script, environment, files, where)
    start = _only(found.starts)
    mounted = {**files, **start.files}
    tokens = (*_module_words(start), *start.words)
    return ContainerStart(
        tokens=tokens, environment={**environment, **start.environment}, files=mounted, notes=found.notes
    )


def _other(
    script: str, environment: Mapping[str, str], files: Mapping[str, str], where: Origin
) -> ContainerStart:
    """A script that starts no engine: a frontend, a planner, a mocker; its last command counts."""
    commands = read_script(script, environment, where).commands
    dynamo = [item for item in commands if any(word.startswith("dynamo.") for word in item.words)]
    chosen = (dynamo or list(commands))[-1:]
    words = tuple(word for item in chosen for word in item.words)
    return ContainerStart(tokens=words, environment=environment, files=files)


def _only(starts: Sequence[EngineStart]) -> EngineStart:
    workers = [item for item in starts if item.worker] or list(starts)
    different = {(item.backend, item.words) for item in workers}
    if len(workers) > 1 and len(different) > 1:
        raise InputError(
            f"its script starts {len(workers)} engines, which is not one worker; give them components of "
            "their own"
        )
    if len(workers) > 1:
        raise InputError(
            f"its script starts the same engine {len(workers)} times; write replicas of the component"
        )
    return workers[0]


def _module_words(start: EngineStart) -> tuple[str, ...]:
    """The start as words: `python3 -m dynamo.vllm`, or an engine's own server."""
    by_module = {backend: module for module, backend in engine_specs_by_worker().items()}
    return ("python3", "-m", by_module[start.backend]) if start.worker else tuple(start.label.split())


def _from_maps(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, Any]]) -> Iterator[Any]:
    """Variables out of whole ConfigMaps (envFrom)."""
    for item in listed(container.get("envFrom")):
        reference = item.get("configMapRef") if isinstance(item, Mapping) else None
        name = reference.get("name") if isinstance(reference, Mapping) else None
        data = maps.get(name, {}) if isinstance(name, str) else {}
        yield from ({"name": str(key), "value": value} for key, value in data.items())


def container_environment(
    items: Iterable[Any], maps: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """Variables with a value of their own or of a ConfigMap in the same file.

    $(NAME) of those before is filled in, as Kubernetes does.
    """
    found: dict[str, str] = {}
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            continue
        value = item.get("value", _referred(item.get("valueFrom"), maps or {}))
        if value is not None or "value" in item:
            found[item["name"]] = _filled("" if value is None else value, found)
    return found


def _referred(source: Any, maps: Mapping[str, Mapping[str, Any]]) -> Any:
    reference = source.get("configMapKeyRef") if isinstance(source, Mapping) else None
    if not isinstance(reference, Mapping):
        return None
    name, key = reference.get("name"), reference.get("key")
    return maps.get(name, {}).get(key) if isinstance(name, str) and isinstance(key, str) else None


def _filled(value: Any, environment: Mapping[str, str]) -> str:
    text = value if isinstance(value, str) else _plain(value)

    def known(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return environment.get(match[1], match.group())

    if "$" not in text:
        return text
    return placed_like(_REFERENCE.sub(known, text), text)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def split_line(line: str) -> list[str]:
    """The words of one line."""
    try:
        return [placed_like(part, line) for part in shlex.split(line)]
    except ValueError as error:
        raise InputError(f"command line {line[:60]!r}: {error}; close the quotes") from error


def _is_line(token: str) -> bool:
    """A whole line in one string: it starts a program or a flag, and holds a flag behind a blank."""
    whole = re.match(r"\s*(?:[{\[]|--?[\w.-]+=)", token)  # a value, or a flag with its own
    return " " in token and whole is None


def listed(value: Any) -> list[Any]:
    """A list of what is given: itself, one thing, or nothing."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
