"""YAML in and out: safe loading that names file and line, writing that is deterministic and atomic."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml

from simkit.core.errors import InputError
from simkit.core.placed import Placed
from simkit.io.paths import unwritable
from simkit.io.reading import MOST_TEXT, read_text

MAX_DEPTH = 100
MAX_ALIASES = 1_000
MAX_NODES = 1_000_000  # after every alias is written out in full

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_TEXT = "tag:yaml.org,2002:str"
_FLOAT = "tag:yaml.org,2002:float"
_MAPPING: type[Any] = Mapping  # read-only mappings are written too
# Kubernetes reads 1e3 as a number; YAML 1.1 readers want a dot and a sign.
_EXPONENT = re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$")


class _Loader(_BaseLoader):  # type: ignore[misc]
    """Safe loader that reads scalars as Kubernetes does: no timestamps, exponents are numbers."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [pair for pair in pairs if pair[0] != _TIMESTAMP]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(_BaseDumper):  # type: ignore[misc]
    """Safe dumper: no aliases, long texts as literal blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal objects out twice: people and kubectl read that more easily."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))
_Dumper.add_representer(str, _represent_text)
_Dumper.add_multi_representer(_MAPPING, lambda dumper, data: dumper.represent_dict(list(data.items())))
_Dumper.add_representer(tuple, lambda dumper, data: dumper.represent_list(data))


def load_documents(path: str | Path, *, placed: bool = False) -> list[Any]:
    """Every document of a YAML file, empty ones left out; placed: its texts remember file and line."""
    text = read_text(Path(path))
    return parse_documents(Placed(text, 1, str(path)) if placed else text, str(path))


def load_document(path: str | Path) -> dict[str, Any]:
    """The one mapping a YAML file holds."""
    return parse_document(read_text(Path(path)), str(path))


def parse_document(text: str, source: str) -> dict[str, Any]:
    """The one mapping that `text` holds."""
    documents = parse_documents(text, source)
    if len(documents) != 1:
        raise InputError(f"{source}: expected one YAML document, found {len(documents)}; keep one per file")
    if not isinstance(documents[0], dict):
        kind = type(documents[0]).__name__
        raise InputError(f"{source}: expected a mapping of keys at the top, found {kind}; see the examples")
    return documents[0]


def parse_documents(text: str, source: str) -> list[Any]:
    """Every document in `text`; `source` is the name that errors carry.

    Where `text` itself knows its place, so do the texts in the documents.
    """
    if len(text) > MOST_TEXT:
        raise InputError(f"{source}: more than {MOST_TEXT // 1_000_000} MB of YAML; split the file")
    try:
        _check_events(text, source)
        return [document for document in _documents(text, source) if document is not None]
    except yaml.YAMLError as error:
        raise InputError(_syntax_message(error, source)) from error
    except ValueError as error:  # a number of thousands of digits
        reason = str(error).partition(";")[0]
        raise InputError(f"{source}: holds a value that cannot be read ({reason}); correct it") from error


def parse_scalar(text: str) -> Any:
    """One value as YAML reads it (`300`, `true`, `[a, b]`); used by --set path=value."""
    documents = parse_documents(text, "value")
    return documents[0] if documents else None


def dump_yaml(content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """YAML text of one document, or of several one after another; keys keep their order."""
    documents = [content] if isinstance(content, Mapping) else list(content)
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=100_000,
        explicit_start=len(documents) > 1,
    )


def write_text_atomic(path: str | Path, text: str, *, private: bool = False) -> None:
    """Write a file so that readers see the old text or the new one, never a part.

    private: its owner alone may read it.
    """
    write_bytes_atomic(path, text.encode(), private=private)


def write_bytes_atomic(path: str | Path, content: bytes, *, private: bool = False) -> None:
    """As write_text_atomic, for files that are not text."""
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as handle:
            temporary = Path(handle.name)
            handle.write(content)
        temporary.chmod(0o600 if private else _file_mode(target))
        temporary.replace(target)
    except OSError as error:
        raise unwritable(target, error, "choose another place") from error
    finally:  # also when a signal ends the process here
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _file_mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _check_events(text: str, source: str) -> None:
    """Refuse what would exhaust the stack or the memory before any object is built."""
    depth = aliases = 0
    for event in yaml.parse(str(text), Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            what = f"nested deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else f"over {MAX_ALIASES} aliases"
            raise InputError(f"{_where(source, event.start_mark)}: {what}; write the document out plainly")


def _documents(text: str, source: str) -> Iterator[Any]:
    loader = _Loader(str(text))  # the parser in C takes no subclass
    if isinstance(text, Placed):
        loader.yaml_constructors = {**loader.yaml_constructors, _TEXT: _placed_text(text)}
    try:
        while loader.check_node():
            node = loader.get_node()
            _count_nodes(node, source, {})
            yield loader.construct_document(node)
    finally:
        loader.dispose()


def _placed_text(whole: Placed) -> Any:
    """Texts as they stand in `whole`; a block begins on the line below its sign."""

    def construct(loader: Any, node: yaml.ScalarNode) -> Placed:
        below = 1 if node.style in ("|", ">") else 0
        line = whole.line + node.start_mark.line + below
        return Placed(str(loader.construct_scalar(node)), line, whole.file)

    return construct


def _count_nodes(node: yaml.Node, source: str, sizes: dict[int, int]) -> int:
    """Nodes below `node` with aliases written out; raises on duplicates, loops and floods."""
    known = sizes.get(id(node))
    if known is not None:
        if known == 0:
            raise InputError(
                f"{_where(source, node.start_mark)}: an anchor contains itself; remove the alias"
            )
        return known
    sizes[id(node)] = 0  # marks a node being walked
    size = 1 + sum(_count_nodes(child, source, sizes) for child in _children(node, source))
    if size > MAX_NODES:
        where = _where(source, node.start_mark)
        raise InputError(
            f"{where}: aliases expand to over {MAX_NODES} values; write the document out plainly"
        )
    sizes[id(node)] = size
    return size


def _children(node: yaml.Node, source: str) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    first_lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            name = (key.tag, key.value)
            if name in first_lines:
                raise InputError(
                    f"{_where(source, key.start_mark)}: key {key.value!r} is given twice "
                    f"(first on line {first_lines[name]}); remove one"
                )
            first_lines[name] = key.start_mark.line + 1
    return [part for pair in node.value for part in pair]


def _where(source: str, mark: Any) -> str:
    return f"{source}:{mark.line + 1}" if mark is not None else source


def _syntax_message(error: yaml.YAMLError, source: str) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n", maxsplit=1)[0]
    return f"{_where(source, mark)}: not valid YAML ({problem}); check the indentation and quotes there"
