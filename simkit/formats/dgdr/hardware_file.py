"""A file that holds a `hardware:` block, as discovering a cluster writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.dgdr.read import set_path
from simkit.formats.faults import lookup
from simkit.io.yamlio import load_document


def with_hardware_file(document: Mapping[str, Any], path: Path | None) -> dict[str, Any]:
    """The request with the block of a file, YAML or JSON, in place of its own fields.

    Raises InputError where the file holds no block.
    """
    if path is None:
        return dict(document)
    block = load_document(path).get("hardware")
    if not isinstance(block, dict):
        raise InputError(f"{path}: holds no hardware: block; simkit discover -o {path} writes one")
    own = lookup(document, "spec.hardware")
    return set_path(document, "hardware", {**(own if isinstance(own, Mapping) else {}), **block})
