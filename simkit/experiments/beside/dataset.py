"""The points of runs and imports in one file, sorted by point, with their provenance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.core.errors import InputError
from simkit.experiments.beside.imported import IMPORT, is_import, read_import
from simkit.experiments.provenance import METADATA_KEY, metadata_of
from simkit.experiments.store import RunFolder, read_dataset, read_run
from simkit.experiments.stored_columns import read_stored
from simkit.io.paths import unwritable
from simkit.io.reading import Bounds, read_json_object

if TYPE_CHECKING:
    import pandas as pd


def write_datasets(folders: Sequence[Path], output: Path) -> int:
    """Write every finished point of these folders; how many they are.

    One folder gives its columns; several the columns of all, empty where a folder has none.
    """
    import pandas as pd

    from simkit.catalog.runs import write_table

    frames = [_points(folder) for folder in folders]
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    keys = ["point", "source"] if len(frames) > 1 else ["point"]
    whole = whole.drop_duplicates(["point", "source"]).sort_values(keys, ignore_index=True, kind="stable")
    if output.suffix == ".parquet":
        _write_parquet(whole, output, [_provenance(folder) for folder in folders])
    else:
        write_table(whole, output)
    return len(whole)


def read_points(path: Path) -> "pd.DataFrame":
    """The points of a folder, or of a file that was written of some."""
    if path.is_dir():
        return _points(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give a run, or what export-data wrote of one")
    return read_stored(path, "write it with simkit experiment export-data")


def _points(folder: Path) -> "pd.DataFrame":
    if is_import(folder):
        return read_import(folder)
    read_run(RunFolder(path=folder))
    return read_dataset(RunFolder(path=folder))


def _provenance(folder: Path) -> dict[str, Any]:
    if is_import(folder):
        return read_json_object(folder / IMPORT, Bounds(remedy="import the files again"))
    return read_run(RunFolder(path=folder))[1]


def _write_parquet(whole: "pd.DataFrame", output: Path, known: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = metadata_of(known[0]) if len(known) == 1 else {METADATA_KEY: json.dumps(list(known)).encode()}
    table = pa.Table.from_pandas(whole, preserve_index=False).replace_schema_metadata(metadata)
    temporary = output.with_name(f".{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary)
        temporary.replace(output)
    except OSError as error:
        raise unwritable(output, error, "give another -o") from error
    finally:
        temporary.unlink(missing_ok=True)
