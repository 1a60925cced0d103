"""The arguments of a started engine: its model, its flags, and the settings file that they name."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simkit.catalog.engine_flags import server_parser, worker_parser
from simkit.catalog.model_lookup import organisations
from simkit.core.errors import InputError
from simkit.core.placed import placed_like
from simkit.engines.command_parser import Option
from simkit.engines.flag_reader import flat_settings, read_flags
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_spec
from simkit.io.yamlio import parse_document
from simkit.launch.server_flags import is_server_flag, spare_words
from simkit.launch.starts import EngineStart

_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)(?:/snapshots/[^/]*)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What stands behind an engine's start. left are words that belong to no flag and are no model.

    own are flags of Dynamo's worker itself, which hand nothing to the engine.
    """

    backend: str
    model: str | None
    flags: Flags
    left: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()

    @property
    def settings_file(self) -> str | None:
        """The YAML file with more settings; None when none is named."""
        return self.flags.text(engine_spec(self.backend).command.files) or None

    @property
    def served_name(self) -> str | None:
        """The name that clients use."""
        return self.flags.text(engine_spec(self.backend).flags.served_name)


def read_arguments(start: EngineStart) -> Arguments:
    """Model and flags of a started engine; the model may stand before or behind the flags.

    Raises InputError where two different models are named.
    """
    words = start.words
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    parser = worker_parser(start.backend) if start.worker else server_parser(start.backend)
    read = read_flags(words[first:], parser)
    flags = _without_short_model(read)
    table = engine_spec(start.backend).flags
    behind = [
        word
        for name, values in flags.items
        if name not in flags.asked
        for word in spare_words(name, values, known=name in table.known)
    ]
    named, spare = flags.text(table.model), [*words[:first], *behind, *read.spare]
    if named is None and not spare and flags.items:
        spare = _behind_unknown_flag(flags, table.known)
    # What cannot be filled in here is no model where another word or a flag is one.
    unknown = [word for word in spare if not word or "$" in word]
    if unknown and (named is not None or len(unknown) < len(spare)):
        spare = [word for word in spare if word not in unknown]
    else:
        unknown = []
    if start.worker:  # a worker takes no words beside its flags
        model, left = named, (*spare, *unknown)
    else:
        model, left = (spare[0] if spare else named), (*spare[1:], *unknown)
    if named is not None and model != named:
        raise InputError(
            f"command line: two models are named, {str(model)[:60]!r} and {named[:60]!r} "
            f"({table.model[0]}); keep one"
        )
    bearing = [item for item in parser.environment(list(start.environment)) if item.names[0] in table.known]
    set_outside = _from_environment(bearing, start.environment)
    flags = replace(flags, items=(*set_outside, *flags.items))
    return Arguments(
        backend=start.backend,
        model=model or flags.text(table.model),
        flags=flags,
        left=left,
        own=frozenset(parser.by_name) if start.worker else frozenset(),
    )


def _from_environment(
    options: Sequence[Option], environment: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What Dynamo's workers take from the environment where the command does not say it."""
    for option in options:
        value = environment[str(option.env)]
        if value:
            yield placed_like(option.names[0], value), (value,)


def _without_short_model(flags: Flags) -> Flags:
    """SGLang and Dynamo write the model behind --model-path too; -m has long been short for it."""
    return replace(
        flags, items=tuple(("--model" if name == "-m" else name, values) for name, values in flags.items)
    )


def _behind_unknown_flag(flags: Flags, known: frozenset[str]) -> list[str]:
    """The last word, when only an unknown flag stands before it: `--new-switch MODEL`."""
    name, values = flags.items[-1]
    unknown = name not in known and name not in flags.asked and not is_server_flag(name)
    return list(values[-1:]) if unknown else []


def with_files(arguments: Arguments, files: Mapping[str, str]) -> tuple[Arguments, str | None]:
    """The arguments with those of the settings file that they name, where it is among `files`.

    Beside them the file that is not; None where all is read.
    """
    name = arguments.settings_file
    if name is None:
        return arguments, None
    if name not in files:
        return arguments, name
    return with_settings(arguments, parse_document(files[name], f"settings file {str(name)[:200]}")), None


def with_settings(arguments: Arguments, document: Mapping[str, Any]) -> Arguments:
    """The arguments with those of the settings file.

    With some engines the file wins over flags, with the others flags win over the file.
    """
    items = arguments.flags.items
    command = engine_spec(arguments.backend).command
    if command.file_wins:
        # What a command line overrides by JSON, already spread out behind the flags, still counts last.
        last = tuple(item for item in items if item[0].startswith(command.dotted))
        pairs = flat_settings(dict(document))
        found = [(placed_like(f"{command.dotted}{path}", path), (text,)) for path, text in pairs]
        return replace(arguments, flags=replace(arguments.flags, items=(*items, *found, *last)))
    flags = replace(arguments.flags, items=(*_file_items(document), *items))
    table = engine_spec(arguments.backend).flags
    model = arguments.model or flags.text((*table.model, "--model"))
    return replace(arguments, flags=flags, model=model)


def _file_items(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A server's own YAML: its flags without the dashes."""
    for key, value in document.items():
        name = placed_like("--" + str(key).replace("_", "-"), key)
        if value is None or value is True:
            yield name, ()
        elif value is False:
            yield f"--no-{name.removeprefix('--')}", ()
        elif isinstance(value, dict | list):
            yield name, (json.dumps(value, default=str),)
        else:
            yield name, (str(value),)


def unfilled(name: str) -> str | None:
    """What stands in a model's name for something that is not in the text; None where nothing does."""
    if "$" in name:
        return "a shell variable without a value here"
    return "a placeholder" if re.search(r"<[^>]*>", name) else None


def model_names(arguments: Arguments) -> list[str]:
    """What the model may be called, likeliest first.

    A path on another machine says the model by its last parts, or as a snapshot of the Hugging Face
    cache; the served name may be the model's or any other.
    """
    given = arguments.model
    names = [given] if given else []
    if given and (match := _SNAPSHOT.search(given)):
        names.append(f"{match[1]}/{match[2]}")
    if given and given.startswith(("/", ".", "~")):
        parts = [part for part in given.split("/") if part not in ("", ".", "..", "~")]
        last, whole = parts[-1:], "/".join(parts[-2:])
        # A folder is no organisation, and whose quantisation it is depends on who made it.
        published = len(parts) > 1 and parts[-2].lower() in organisations()
        names += [whole, *last] if published else [*last, whole]
    if arguments.served_name:
        names.append(arguments.served_name)
    return list(dict.fromkeys(names))
