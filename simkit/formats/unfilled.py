"""What a document of ours leaves to fill in: words in angle brackets within the paths of its containers."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.core.errors import InputError

PLACEHOLDER = re.compile(r"<[^<>]+>")
# A path, or a path's part: other arguments hold such words by right (`<think>`).
_PATH = re.compile(r"[^\s{}\"'|]*/[^\s{}\"'|]*")
_REVISION = re.compile(r"/snapshots/(?P<revision>[^/]+)")
HEADING = "TO FILL IN"  # begins the comment that names them
REVISION_LABEL = "simkit.io/model-revision"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def unfilled(documents: Sequence[Any]) -> list[str]:
    """The placeholders, each once, in their order."""
    found = (name for document in documents for name in _within(_spec(document)))
    return list(dict.fromkeys(found))


def refuse_unfilled(documents: Sequence[Any], source: str) -> None:
    """Raise InputError for what is still to fill in: its engines would find no weights."""
    if names := unfilled(documents):
        raise InputError(
            f"{source}: still to fill in: {', '.join(names)}, in the path of the model's weights; "
            f"{how_to_fill(names, source)}"
        )


def how_to_fill(names: Sequence[str], source: str) -> str:
    """The command that fills them in, and takes the remark on them out."""
    words = [_value_of(name) for name in names]
    edits = [f"/^# {HEADING}/d", *(f"s|{name}|{word}|g" for name, word in zip(names, words, strict=True))]
    command = " ".join(f"-e {shlex.quote(edit)}" for edit in edits)
    return f"with what {', '.join(words)} stands for: sed -i {command} {shlex.quote(source)}"


def revision_label(model_path: str) -> dict[str, str]:
    """The revision of the weights as a label, where the path names one.

    A placeholder is no valid label, and that is the use of it: a cluster refuses such a document at once
    (`kubectl apply --dry-run=server` says so), before engines come up without weights. What replaces the
    placeholder throughout the file fills in the label, too.
    """
    match = _REVISION.search(model_path)
    if match is None:
        return {}
    revision = match["revision"]
    known = _LABEL_VALUE.fullmatch(revision) or PLACEHOLDER.search(revision)
    return {REVISION_LABEL: revision} if known else {}


def _spec(document: Any) -> Any:
    return document.get("spec") if isinstance(document, Mapping) else None


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _within(item)
    elif isinstance(value, str) and _PATH.fullmatch(value):
        yield from PLACEHOLDER.findall(value)


def _value_of(name: str) -> str:
    """A word to write in its place: <commit-hash> becomes COMMIT_HASH."""
    return re.sub(r"\W+", "_", name.strip("<>")).upper()
