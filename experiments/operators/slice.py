"""Which few rows of the measured operator tables do the tests need?

Copies at most 600 rows of every kind of table, one GPU and engine each, with the folder structure of
the package: python experiments/operators/slice.py <systems/data of aiconfigurator-core 0.12.0>
"""

import sys
from pathlib import Path

import pandas as pd

from perfmodels.op_times.learned import version_key
from simkit.catalog.operator_tables import TABLES

OUT = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "operator_tables"
GPUS = ("h200_sxm", "gb200", "b60")
ROWS = 600
# Columns that are not needed, or constant.
DROPPED = ("beam_width", "power", "power_limit")


def newest(root: Path, file: str) -> Path | None:
    """The newest table of that name on the first GPU that has one; engines in alphabetical order."""
    for gpu in GPUS:
        found = sorted(root.glob(f"{gpu}/*/*/*/{file}.parquet"), key=lambda p: version_key(p.parts[-2]))
        if found:
            return found[-1]
    return None


def reduced(rows: pd.DataFrame) -> pd.DataFrame:
    """One number format, whole lines of a few shapes."""
    for column in ("gemm_dtype", "moe_dtype", "distribution", "nccl_dtype", "kv_cache_dtype"):
        if column in rows:
            rows = rows[rows[column] == rows[column].value_counts().index[0]]
    rows = rows.drop(columns=[name for name in DROPPED if name in rows])
    return rows.sample(min(len(rows), ROWS), random_state=0).sort_index()


def main(root: Path) -> None:
    """Write the slice."""
    files = sorted({table.file for tables in TABLES.values() for table in tables})
    for file in files:
        path = newest(root, file)
        if path is None:
            continue
        target = OUT / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        reduced(pd.read_parquet(path)).to_parquet(target, compression="zstd", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
