"""profiler_status.yaml: what the operator's sidecar polls while the profiler runs and reads at its end.

The sidecar is a shell script that looks for lines starting with `status:`, `phase:`, `message:` and
`error:`, and copies their text into a double-quoted YAML value. So each of these is one line at the top
level, and holds nothing that such a value would read as an escape.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from simkit.core.harmless import shown_line
from simkit.io.yamlio import dump_yaml, write_text_atomic

STATUS_FILE = "profiler_status.yaml"
_LONGEST = 1_000  # characters; conditions and events are read on a terminal


class Phase(StrEnum):
    """Dynamo's profiling phases. SweepingDecode is left out: one search covers both kinds of engine."""

    INITIALIZING = "Initializing"
    SWEEPING = "SweepingPrefill"
    SELECTING = "SelectingConfig"
    BUILDING_CURVES = "BuildingCurves"
    GENERATING = "GeneratingDGD"
    DONE = "Done"


class StatusFile:
    """The status file of one run, replaced whole at every change; phases also go to standard error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phase = Phase.INITIALIZING

    def enter(self, phase: Phase, message: str) -> None:
        """Say that a phase has begun."""
        self.phase = phase
        self._write("running", message)

    def succeed(self, message: str, outputs: Mapping[str, str], warnings: Sequence[str]) -> None:
        """The last word of a run that wrote its configuration."""
        self.phase = Phase.DONE
        self._write("success", message, outputs=dict(outputs), warnings=[one_line(note) for note in warnings])

    def fail(self, message: str, error: str) -> None:
        """The last word of any other run, in the phase where it ended."""
        self._write("failed", message, error=one_line(error))

    def _write(self, status: str, message: str, **more: Any) -> None:
        text = one_line(message)
        content = {
            "status": status,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "phase": self.phase.value,
            "message": text,
            **{key: value for key, value in more.items() if value},
        }
        write_text_atomic(self.folder / STATUS_FILE, dump_yaml(content))
        told = shown_line(str(more.get("error") or text))
        sys.stderr.write(f"simkit.profiler: {status} {self.phase.value}: {told}\n")


def one_line(text: str) -> str:
    """Text that survives the sidecar: one line, printable, no backslashes, of bounded length."""
    plain = " ".join(text.split()).replace("\\", "/")
    printable = "".join(char for char in plain if char.isprintable())
    return printable if len(printable) <= _LONGEST else printable[: _LONGEST - 3] + "..."
