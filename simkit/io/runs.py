"""Tables of serving runs: what was deployed, under which load, and what was measured."""

from pathlib import Path
from typing import TYPE_CHECKING

from simkit.core.errors import InputError, nearest
from simkit.core.steady import Procedure

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "gpu", "backend", "isl_tokens", "osl_tokens", "concurrency")
AGG_PLAN = ("tp", "pp", "attn_dp", "moe_tp", "ep")
MEASURED = ("ttft_ms_mean", "itl_ms_mean")

# How each named benchmark drives its closed loop (data/README.md).
PROTOCOLS = {
    "inferencex": Procedure(requests_per_slot=10, length_spread=0.2),
    "nvidia_internal": Procedure(requests_per_slot=10, length_spread=0.0),
    "steady": Procedure(),
}


def read_table(path: Path) -> "pd.DataFrame":
    """A CSV or parquet table of runs, by file ending.

    Raises InputError when it cannot be read or lacks a column that predictions need.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a table of runs (.csv or .parquet)")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable {path.suffix or 'CSV'} table ({first})") from error
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        found = nearest(missing[0], [str(name) for name in frame.columns], 1)
        hint = f" (is {found[0]!r} meant as {missing[0]!r}?)" if found else ""
        raise InputError(
            f"{path}: column {', '.join(missing)} missing{hint}; the schema is in data/README.md"
        )
    return frame


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write CSV or parquet by file ending, whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another -o") from error
    finally:
        temporary.unlink(missing_ok=True)
