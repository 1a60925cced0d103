"""The engines' own argument parsers, as `experiments/flags` took them from their sources."""

from dataclasses import replace
from functools import lru_cache

from simkit.engines.command_parser import CommandParser, Option
from simkit.engines.registry import engine_spec
from simkit.io.paths import data_dir
from simkit.io.reading import read_json_object


@lru_cache(maxsize=16)
def server_parser(backend: str) -> CommandParser:
    """The parser of an engine's own server; one without options where the engine has no table."""
    return _parser(backend)


@lru_cache(maxsize=16)
def worker_parser(backend: str) -> CommandParser:
    """The parser of Dynamo's worker, which hands what it does not know to the engine's."""
    return replace(_parser(engine_spec(backend).worker.module), behind=_parser(backend))


def _parser(name: str) -> CommandParser:
    path = data_dir() / "flags" / f"{name}.json"
    if not path.is_file():
        return CommandParser(program=name)
    document = read_json_object(path)
    return CommandParser(
        program=document["engine"],
        version=document["version"],
        prefixes=document["prefixes"],
        options=tuple(_option(row) for row in document["options"]),
    )


def _option(row: dict[str, object]) -> Option:
    names = row["names"]
    assert isinstance(names, list)  # noqa: S101  # our own file, written by experiments/flags
    return Option(
        names=tuple(str(name) for name in names),
        takes=row["takes"],  # type: ignore[arg-type]
        kind=str(row["type"]),
        default=row.get("default"),  # type: ignore[arg-type]
        env=str(row["env"]) if "env" in row else None,
    )
