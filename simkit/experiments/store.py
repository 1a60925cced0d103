"""The folder of a run: its experiment, its provenance, and parts that are written whole or not at all.

A part is one block of points, named by place and content. Nothing is ever changed: after a kill the parts
that are there are right, and those that are missing are made again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.columns import Do, Kind, dataset_columns
from simkit.experiments.document import Experiment, parse_experiment
from simkit.experiments.points import PointBlock
from simkit.experiments.provenance import metadata_of
from simkit.experiments.stored_columns import read_stored
from simkit.formats.user_calibration import pinned, read_own
from simkit.io.locks import held, is_held
from simkit.io.paths import unwritable
from simkit.io.reading import Bounds, read_json_object, read_text
from simkit.io.yamlio import write_text_atomic

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

EXPERIMENT, RUN, LOCK, PARTS = "experiment.yaml", "run.json", "lock", "parts"
CALIBRATION = "own_calibration.json"
_MUST_AGREE = ("experiment_sha256", "seed", "artifacts", "versions", "own_calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A folder that holds, or will hold, a run."""

    path: Path

    @property
    def parts(self) -> Path:
        """Where the parts are."""
        return self.path / PARTS

    def part(self, block: PointBlock) -> Path:
        """The file of a block."""
        return self.parts / f"{block.index:08d}-{block.digest}.parquet"

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / RUN).is_file()


def refuse_foreign(folder: RunFolder) -> None:
    """Raise InputError where the folder holds something else than a run, before anything is written."""
    if folder.path.exists() and not folder.path.is_dir():
        raise InputError(f"{folder.path}: is a file; give a folder with -o")
    ours = (LOCK, EXPERIMENT, CALIBRATION, PARTS)  # of a run that was killed before it had said what it is
    others = folder.path.iterdir() if folder.path.exists() and not folder.exists else ()
    if any(item.name not in ours and not item.name.startswith(".") for item in others):
        raise InputError(f"{folder.path}: holds something else than a run; give another folder with -o")


def begin(folder: RunFolder, experiment: Experiment, known: Mapping[str, Any]) -> None:
    """Write what is asked and from what it comes. Raises InputError where another run is there."""
    if folder.exists:
        check_same(folder, known)
        return
    write_text_atomic(folder.path / EXPERIMENT, experiment.text)
    if experiment.own is not None:
        write_text_atomic(folder.path / CALIBRATION, read_text(Path(experiment.own.path)))
    write_text_atomic(folder.path / RUN, json.dumps(known, indent=2, sort_keys=True) + "\n")


def read_run(folder: RunFolder) -> tuple[Experiment, dict[str, Any]]:
    """The experiment of a folder and its provenance. Raises InputError where there is none."""
    if not folder.exists:
        raise InputError(f"{folder.path}: no run is here; start one with simkit experiment run FILE -o DIR")
    known = read_json_object(folder.path / RUN, Bounds(remedy="run again in a new folder"))
    source, own = folder.path / EXPERIMENT, known.get("own_calibration")
    found = parse_experiment(read_text(source), str(source))
    if own is not None:
        found = replace(found, own=read_own(pinned(str(folder.path / CALIBRATION), str(own))))
    return found, known


def check_same(folder: RunFolder, known: Mapping[str, Any]) -> None:
    """Raise InputError where the run that is there answers another question, or from other artifacts."""
    before = read_run(folder)[1]
    for name in _MUST_AGREE:
        if before.get(name) != known.get(name):
            what = "another experiment" if name == "experiment_sha256" else f"other {name}"
            raise InputError(
                f"{folder.path}: was begun with {what}, its points would not compare; run in a new folder"
            )


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the folder alone. Raises InputError while another runner holds it."""
    with held(folder.path / LOCK, "wait for it, or stop it"):
        try:
            folder.parts.mkdir(exist_ok=True)
            for leftover in folder.parts.glob(".*.partial"):  # of a runner that was killed while it wrote
                leftover.unlink()
        except OSError as error:
            raise unwritable(folder.parts, error, "give another folder") from error
        yield


def is_running(folder: RunFolder) -> bool:
    """Whether a runner holds the folder now."""
    return is_held(folder.path / LOCK)


def write_part(folder: RunFolder, block: PointBlock, table: "pd.DataFrame", known: Mapping[str, Any]) -> None:
    """Put a block's results in place. Raises ExternalError where the disk does not take them."""
    import pyarrow.parquet as pq

    target = folder.part(block)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        pq.write_table(_arrow(table, known), temporary, compression="zstd")
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExternalError(
            f"{target}: cannot be written ({reason}); make room, then simkit experiment resume {folder.path}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _arrow(table: "pd.DataFrame", known: Mapping[str, Any]) -> "pa.Table":
    import pyarrow as pa

    schema = dataset_schema(known["do"]).with_metadata(metadata_of(known))
    columns = [pa.array(table[field.name], type=field.type, from_pandas=True) for field in schema]
    return pa.table(columns, schema=schema)


def stored_bytes(table: "pd.DataFrame", do: Do) -> int:
    """What these results take on disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(_arrow(table, {"do": do}), sink, compression="zstd")
    return int(sink.getvalue().size)


def dataset_schema(do: Do) -> "pa.Schema":
    """Columns and types of every part: the same for all, whatever is empty."""
    import pyarrow as pa

    types: dict[Kind, Any] = {
        "text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "flag": pa.bool_(),
    }  # fmt: skip
    return pa.schema([(name, types[kind]) for name, kind in dataset_columns(do).items()])


def part_files(folder: RunFolder) -> list[Path]:
    """The parts that are done, in order."""
    return sorted(folder.parts.glob("[0-9]*.parquet"))


def forget_failures(folder: RunFolder) -> int:
    """Drop parts in which no point has a result, so that they are tried again; says how many points."""
    dropped = 0
    for path in part_files(folder):
        errors = _stored(folder, path, ["error"])["error"].tolist()
        if all(errors):
            path.unlink()
            dropped += len(errors)
    return dropped


def stored_points(folder: RunFolder) -> tuple[int, int]:
    """Points that are finished, and how many of them have no result."""
    errors = [_stored(folder, path, ["error"])["error"] for path in part_files(folder)]
    return sum(len(column) for column in errors), sum(int((column != "").sum()) for column in errors)


def pace(folder: RunFolder) -> float | None:
    """Points a second since the last runner began; None before its first part."""
    import pyarrow.parquet as pq

    try:
        begun = (folder.path / LOCK).stat().st_mtime
    except OSError:
        return None
    written = [(path.stat().st_mtime, path) for path in part_files(folder)]
    recent = [(at, path) for at, path in written if at >= begun]
    seconds = max((at for at, _ in recent), default=begun) - begun
    points = sum(pq.read_metadata(path).num_rows for _, path in recent)
    return points / seconds if points and seconds > 0 else None


def read_part(folder: RunFolder, block: PointBlock) -> "pd.DataFrame":
    """The results of a block that is done."""
    return _stored(folder, folder.part(block), None)


def _stored(folder: RunFolder, path: Path, columns: list[str] | None) -> "pd.DataFrame":
    return read_stored(path, f"delete it, then simkit experiment resume {folder.path}", columns)


def read_dataset(folder: RunFolder, columns: list[str] | None = None) -> "pd.DataFrame":
    """Every finished point once. Raises InputError where there is none."""
    import pandas as pd

    files = part_files(folder)
    if not files:
        raise InputError(f"{folder.path}: no point is finished yet; simkit experiment resume {folder.path}")
    frame = pd.concat([_stored(folder, path, columns) for path in files], ignore_index=True)
    return frame.drop_duplicates("point", ignore_index=True) if "point" in frame else frame
