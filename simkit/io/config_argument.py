"""A deployment request given on a command line: a file, or the JSON that Dynamo's operator passes."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.io.dgdr_model import API_VERSION, KIND
from simkit.io.faults import shown
from simkit.io.yamlio import parse_document, read_text

OPTION = "--config"


def read_config_argument(value: str) -> dict[str, Any]:
    """The mapping that `value` holds, or the file it names; JSON or, in a file, YAML."""
    if not value.strip():
        raise InputError(f"{OPTION}: is empty; give a DGDR spec as JSON, or a file that holds it")
    if value.lstrip().startswith("{"):
        return _from_json(value, OPTION)
    if not _is_file(value):
        raise InputError(f"{OPTION} {shown(value)}: neither a file nor JSON; give a DGDR spec in either form")
    text = read_text(Path(value))
    return _from_json(text, value) if _looks_like_json(text) else parse_document(text, value)


def as_dgdr(document: Mapping[str, Any], name: str, namespace: str | None) -> dict[str, Any]:
    """A whole DGDR from what was given: one already, one without its head, or the spec alone.

    name and namespace fill in metadata that the document does not give.
    """
    whole = "kind" in document or "apiVersion" in document or "spec" in document
    head = {"apiVersion": API_VERSION, "kind": KIND}
    result = {**({} if "kind" in document else head), **(document if whole else {"spec": dict(document)})}
    metadata = result.get("metadata")
    if metadata is None or isinstance(metadata, Mapping):
        known = {"name": name} | ({"namespace": namespace} if namespace else {})
        result["metadata"] = {**known, **(metadata or {})}
    return result


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):  # longer than a path may be, or a NUL in it
        return False


def _looks_like_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _from_json(text: str, source: str) -> dict[str, Any]:
    """JSON read as strictly as YAML is: written out anew, it passes the same guards."""
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
        again = json.dumps(content, ensure_ascii=False)
        again.encode()  # half of a surrogate pair is JSON, but no text
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{source}: not valid JSON ({error.msg} at {where}); correct it there") from error
    except RecursionError as error:
        raise InputError(f"{source}: nested too deeply; write the document out plainly") from error
    except ValueError as error:
        reason = str(error).partition(";")[0]
        raise InputError(f"{source}: not usable JSON ({reason}); correct it") from error
    return parse_document(again, source)


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} is given twice")
        found[key] = value
    return found
