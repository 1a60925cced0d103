"""A reader of files, as the soak takes it."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`sample` is damaged as `form` and put as `place` beside copies of `beside`; weight: inputs of a slice.

    read gets the path of the damaged file. SimkitError is an answer, everything else a broken promise.
    """

    name: str
    sample: str
    form: str
    read: Callable[[Path], object]
    place: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    weight: int = 10

    def folder(self, samples: Path, work: Path) -> Path:
        """Where the damaged file goes; its neighbours lie there."""
        target = work / self.name / (self.place or Path(self.sample).name)
        (work / self.name).mkdir()
        for name, source in self.beside.items():
            at = work / self.name / name
            (shutil.copytree if (samples / source).is_dir() else shutil.copy)(samples / source, at)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target
