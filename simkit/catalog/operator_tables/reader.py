"""Reads the operator tables of the PyPI package aiconfigurator-core: parquet files of measured times.

Files lie at <root>/<gpu>/<family>/<engine>/<version>/<name>.parquet with latency in milliseconds.
Every family turns its own columns into sizes (perfmodels.op_times.families) and a variant.
Needed to fit operator models, never to use them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from perfmodels.op_times.family import MeasuredFile
from simkit.core.errors import InputError
from simkit.io.frames import read_frame

_FORMATS = {
    "bfloat16": "bf16", "float16": "fp16", "half": "bf16", "fp8_e4m3": "fp8", "w4a16_mxfp4": "mxfp4",
    "w4afp8": "w4a8", "w4a8_mxfp4_mxfp8": "mxfp4_mxfp8", "sq": "int8",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of file: its name without ending, and how its rows become sizes and a variant."""

    file: str
    normalise: Callable[[pd.DataFrame], pd.DataFrame]


def number_format(name: str) -> str:
    """Our name for a number format of the tables."""
    return _FORMATS.get(name, name)


def table_of(measured: MeasuredFile) -> Table:
    """The reader of a file whose columns alone give variant and sizes."""

    def normalise(rows: pd.DataFrame) -> pd.DataFrame:
        table = {
            str(name): (column.map(number_format) if str(name).endswith("_dtype") else column).to_numpy()
            for name, column in rows.items()
        }
        plain = {"kernel": table["kernel_source"], "time_s": table["latency"] * 1e-3}
        return pd.DataFrame({**plain, **measured.rows(table)})

    return Table(file=measured.file, normalise=normalise)


def table_files(root: Path, file: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Every file of that name with its gpu, engine and version."""
    found = sorted(root.glob(f"*/*/*/*/{file}.parquet"))
    for path in found:
        gpu, _, engine, version = path.relative_to(root).parts[:4]
        yield path, {"gpu": gpu, "engine": engine, "version": version}


def read_tables(root: Path, tables: tuple[Table, ...], dims: tuple[str, ...]) -> pd.DataFrame:
    """Rows of all files: gpu, engine, version, kernel, variant, sizes, time_s; repeats become medians.

    Raises InputError where no such file is found.
    """
    frames = []
    for table in tables:
        for path, origin in table_files(root, table.file):
            rows = table.normalise(read_frame(path, "unpack aiconfigurator-core again")).assign(**origin)
            frames.append(rows)
    if not frames:
        names = " or ".join(f"{table.file}.parquet" for table in tables)
        raise InputError(
            f"{root}: expected files <gpu>/<family>/<engine>/<version>/{names}, found none; "
            "give the folder systems/data of an unpacked aiconfigurator-core 0.12.0"
        )
    rows = pd.concat(frames, ignore_index=True)
    keys = ["gpu", "engine", "version", "variant", *dims]
    rows = rows[rows["time_s"] > 0]
    return rows.groupby(keys, as_index=False).agg(time_s=("time_s", "median"), kernel=("kernel", "first"))
