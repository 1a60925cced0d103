"""Tables and arrays read back: of bounded size, every column named once, no row longer than the header."""

import csv
import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.core.errors import InputError
from simkit.io.reading import Bounds, decoded, read_bytes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_TABLE = 500_000_000
MOST_CELLS = 200_000_000  # a parquet file of nothing but one value is small on disk only
_PARQUET = ".parquet"


def read_frame(path: Path, remedy: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """A table by its file ending; `columns`: those alone, of parquet. Raises InputError with the remedy."""
    content = read_bytes(path, Bounds(most=MOST_TABLE, remedy=remedy))
    try:
        frame = _parquet(content, columns) if path.suffix == _PARQUET else _csv(content, str(path), remedy)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pandas and pyarrow promise no kind of error for damaged bytes
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        kind = path.suffix.removeprefix(".") or "CSV"
        raise InputError(f"{path}: not a readable {kind} table ({reason}); {remedy}") from error
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{path}: column {str(repeated[0])!r} is given twice; {remedy}")
    return frame


def _parquet(content: bytes, columns: Sequence[str] | None) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows * max(file.metadata.num_columns, 1) > MOST_CELLS:
        raise ValueError(f"{file.metadata.num_rows:,} rows are more than any table has")
    for field in file.schema_arrow:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            raise ValueError(f"column {field.name} holds {field.type}, neither numbers nor texts")
    table = file.read(columns=None if columns is None else list(columns))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _csv(content: bytes, source: str, remedy: str) -> "pd.DataFrame":
    import pandas as pd

    text = decoded(content, source).removeprefix("\ufeff")
    names = next(csv.reader(io.StringIO(text)), [])
    other = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise InputError(f"{source}: columns are separated by {other!r}; write commas between them; {remedy}")
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{source}: column {repeated!r} is given twice; {remedy}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # cells that no column names are lost
        return pd.read_csv(io.StringIO(text), low_memory=False, index_col=False)


def read_arrays(path: Path, remedy: str) -> "dict[str, np.ndarray]":
    """The arrays of an .npz, nothing pickled among them. Raises InputError with the remedy."""
    import numpy as np

    content = io.BytesIO(read_bytes(path, Bounds(most=MOST_TABLE, remedy=remedy)))
    try:
        with zipfile.ZipFile(content) as archive:
            if sum(item.file_size for item in archive.infolist()) > MOST_TABLE:
                raise ValueError("it unpacks to more than any such file has")
        with np.load(content, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except MemoryError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's header each have errors of their own
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path}: no readable arrays ({reason}); {remedy}") from error
