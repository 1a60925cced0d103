"""What stands behind a dataset: versions, the artifacts that predictions come from, command and seed."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from simkit.experiments.document import Experiment
from simkit.io.paths import data_dir
from simkit.verbs.recommend import versions

FORMAT = 1
METADATA_KEY = b"simkit"
_ARTIFACTS = ("calibration", "operators", "gpus", "models", "memory")
_LIBRARIES = ("numpy", "pandas", "pyarrow")


def provenance(experiment: Experiment, command: Sequence[str]) -> dict[str, Any]:
    """Everything that a result depends on, without times: the same run gives the same."""
    return {
        "format": FORMAT,
        "question": experiment.document.question,
        "do": experiment.do,
        "experiment_sha256": hashlib.sha256(experiment.text.encode()).hexdigest(),
        "command": list(command),
        "seed": experiment.document.seed,
        "versions": {
            **versions(),
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "artifacts": artifact_hashes(),
        **({"own_calibration": experiment.own.sha256} if experiment.own else {}),
    }


def artifact_hashes() -> dict[str, str]:
    """A hash for each folder of data that predictions read."""
    return {name: _folder_hash(name) for name in _ARTIFACTS}


def _folder_hash(name: str) -> str:
    found = hashlib.sha256()
    root = data_dir()
    for path in sorted((root / name).rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(root)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def metadata_of(known: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Provenance as metadata of a parquet file; how the command was called does not change what it holds."""
    same = {name: value for name, value in known.items() if name != "command"}
    return {METADATA_KEY: json.dumps(same, sort_keys=True).encode()}
