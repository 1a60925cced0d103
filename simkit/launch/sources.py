"""The engines that a text starts, whatever the text is: a command line, a script, a workload in YAML."""

import re
from pathlib import Path

from simkit.core.errors import InputError
from simkit.io.yamlio import load_documents, parse_documents
from simkit.launch.shell import MAX_CHARS, Origin
from simkit.launch.starts import Started, engine_starts
from simkit.launch.workloads import is_workload, workload_starts

_YAML = re.compile(r"(?m)^(?:kind:|services:)\s*\S*\s*$")


_SCRIPTS = (".sh", ".bash", ".txt")


def is_command_file(path: Path) -> bool:
    """Whether a file holds a script or workloads, and no DynamoGraphDeployment."""
    if not path.is_file():
        return False
    if path.suffix in _SCRIPTS:
        return True
    if path.suffix not in (".yaml", ".yml"):
        return False
    documents = load_documents(path)
    kinds = [item.get("kind") for item in documents if isinstance(item, dict)]
    return "DynamoGraphDeployment" not in kinds and any(is_workload(item) for item in documents)


def started_in(text: str, source: str = "") -> Started:
    """The engines that a text starts. Raises InputError where there is none."""
    if len(text) <= MAX_CHARS * 4 and _YAML.search(text):
        try:
            documents = parse_documents(text, source or "command line")
        except InputError:
            documents = []  # a script that writes such a document
        if any(is_workload(item) for item in documents):
            return Started(starts=tuple(workload_starts(documents)))
    return engine_starts(text, origin=Origin(file=source))
