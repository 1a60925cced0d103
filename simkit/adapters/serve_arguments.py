"""The arguments of a started engine: its model, its flags, and the settings file that they name."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simkit.adapters.engine_flags import TABLES
from simkit.adapters.flag_reader import Flags, flat_settings, read_flags
from simkit.adapters.serve_flags import SERVER_FLAGS, spare_words
from simkit.adapters.serve_starts import EngineStart
from simkit.core.errors import InputError

_FILES = ("--config", "--extra-llm-api-options", "--extra-engine-args")
_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)(?:/snapshots/[^/]*)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What stands behind an engine's start. left are words that belong to no flag and are no model."""

    backend: str
    model: str | None
    flags: Flags
    left: tuple[str, ...] = ()

    @property
    def settings_file(self) -> str | None:
        """The YAML file with more settings; None when none is named."""
        return self.flags.text(_FILES) or None

    @property
    def served_name(self) -> str | None:
        """The name that clients use."""
        return self.flags.text(TABLES[self.backend].served_name)


def read_arguments(start: EngineStart) -> Arguments:
    """Model and flags of a started engine; the model may stand before or behind the flags.

    Raises InputError where two different models are named.
    """
    words = start.words
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    flags = _without_short_model(read_flags(words[first:]))
    table = TABLES[start.backend]
    behind = [
        word for name, values in flags.items for word in spare_words(name, values, known=name in table.known)
    ]
    named, spare = flags.text(table.model), [*words[:first], *behind]
    if named is None and not spare and flags.items:
        spare = _behind_unknown_flag(flags, table.known)
    model = spare[0] if spare else named
    if named is not None and model != named:
        raise InputError(
            f"command line: two models are named, {str(model)[:60]!r} and {named[:60]!r} "
            f"({table.model[0]}); keep one"
        )
    return Arguments(backend=start.backend, model=model, flags=flags, left=tuple(spare[1:]))


def _without_short_model(flags: Flags) -> Flags:
    """SGLang and Dynamo write the model behind --model-path too; -m has long been short for it."""
    return Flags(items=tuple(("--model" if name == "-m" else name, values) for name, values in flags.items))


def _behind_unknown_flag(flags: Flags, known: frozenset[str]) -> list[str]:
    """The last word, when only an unknown flag stands before it: `--new-switch MODEL`."""
    name, values = flags.items[-1]
    return list(values[-1:]) if name not in known and name not in SERVER_FLAGS else []


def with_settings(arguments: Arguments, document: Mapping[str, Any]) -> Arguments:
    """The arguments with those of the settings file.

    The file wins over TensorRT-LLM's flags; vLLM's and SGLang's flags win over the file.
    """
    items = arguments.flags.items
    if arguments.backend == "trtllm":
        # What a command line overrides by JSON, already spread out behind the flags, still counts last.
        last = tuple(item for item in items if item[0].startswith("--trtllm."))
        found = [(f"--trtllm.{path}", (text,)) for path, text in flat_settings(dict(document))]
        return replace(arguments, flags=Flags(items=(*items, *found, *last)))
    flags = Flags(items=(*_file_items(document), *items))
    table = TABLES[arguments.backend]
    model = arguments.model or flags.text((*table.model, "--model"))
    return replace(arguments, flags=flags, model=model)


def _file_items(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A server's own YAML: its flags without the dashes."""
    for key, value in document.items():
        name = "--" + str(key).replace("_", "-")
        if value is None or value is True:
            yield name, ()
        elif value is False:
            yield f"--no-{name.removeprefix('--')}", ()
        elif isinstance(value, dict | list):
            yield name, (json.dumps(value, default=str),)
        else:
            yield name, (str(value),)


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
        names += ["/".join(parts[-2:]), *parts[-1:]]
    if arguments.served_name:
        names.append(arguments.served_name)
    return list(dict.fromkeys(names))
