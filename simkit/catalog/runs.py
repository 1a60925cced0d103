"""Tables of serving runs: what was deployed, under which load, measured, and set by the benchmark."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.closed_form.aggregated_loop import Procedure
from simkit.core.errors import InputError, nearest
from simkit.core.harmless import cell
from simkit.core.milliseconds import looks_like_seconds, seconds_words
from simkit.io.frames import read_frame
from simkit.io.paths import data_dir, unwritable
from simkit.io.yamlio import load_documents

if TYPE_CHECKING:
    import pandas as pd


REQUIRED = ("model", "gpu", "backend", "isl_tokens", "osl_tokens", "concurrency")
RATE = "request_rate_per_s"  # of an open loop, which has no `concurrency`
AGG_PLAN = ("tp", "pp", "attn_dp", "moe_tp", "ep")
MEASURED = ("ttft_ms_mean", "itl_ms_mean")

# How each named benchmark drives its closed loop (data/README.md).
PROTOCOLS = {
    "inferencex": Procedure(requests_per_slot=10, length_spread=0.2),
    "nvidia_internal": Procedure(requests_per_slot=10, length_spread=0.0),
    "steady": Procedure(),
}
PUBLIC_BENCHMARKS = (PROTOCOLS["inferencex"], PROTOCOLS["nvidia_internal"])


def read_table(path: Path) -> "pd.DataFrame":
    """A CSV or parquet table of runs, by file ending.

    A rate stands for requests in flight where the table has no column of these. Raises InputError when it
    cannot be read or lacks a column that predictions need.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; expected a table of runs (.csv or .parquet)")
    frame = read_frame(path, "the schema is in data/README.md")
    if RATE in frame.columns and "concurrency" not in frame.columns:
        frame["concurrency"] = np.nan
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        hint = meant_columns(missing, frame)
        raise InputError(
            f"{path}: column {', '.join(missing)} missing{hint}; the schema is in data/README.md"
        )
    return frame


# What other tools and people call the columns.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "model": ("model_name", "model_id"),
    "gpu": ("gpu_type", "gpu_name", "accelerator", "hardware", "hw"),
    "backend": ("engine", "framework", "server"),
    "isl_tokens": ("isl", "input_len", "input_length", "input_tokens", "prompt_tokens", "random_input_len"),
    "osl_tokens": ("osl", "output_len", "output_length", "output_tokens", "random_output_len"),
    "ttft_ms_mean": ("mean_ttft_ms", "ttft_ms", "ttft", "avg_ttft_ms", "ttft_mean_ms"),
    "itl_ms_mean": ("mean_itl_ms", "itl_ms", "itl", "tpot", "mean_tpot_ms", "tpot_ms", "itl_mean_ms"),
    "concurrency": ("conc", "max_concurrency", "users", "num_users", "in_flight", "batch_size"),
}


def meant_columns(missing: Sequence[str], frame: "pd.DataFrame") -> str:
    """Which of a table's columns are likely those that are missing, as an ending of the message."""
    others = [str(name) for name in frame.columns if name not in (*REQUIRED, *MEASURED)]
    meant = {name: found for name in missing if (found := _meant_as(name, others))}
    pairs = ", ".join(f"{theirs!r} as {name!r}" for name, theirs in meant.items())
    return f" ({'is' if len(meant) == 1 else 'are'} {pairs} meant?)" if meant else ""


def _meant_as(name: str, others: list[str]) -> str | None:
    """The column that is likely meant by one of ours: called as elsewhere, or misspelt."""
    plain = {re.sub(r"[^a-z0-9]+", "_", other.lower()).strip("_"): other for other in others}
    known = next((plain[other] for other in _ALSO[name] if other in plain), None)
    return known or next(iter(nearest(name, others, 1)), None)


_MOST_MS = 1e9  # of a measured mean: eleven days


def with_measured_numbers(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The table with its measured columns as numbers. Raises InputError for a cell that is a text."""

    found = frame.copy()
    for column in (name for name in MEASURED if name in frame.columns):
        values = coerced(frame[column])
        odd = np.flatnonzero((values.isna() & frame[column].notna()) | (values.abs() > _MOST_MS))
        if len(odd):
            row = int(odd[0])
            raise InputError(
                f"column {column}, row {row + 1}: expected milliseconds, got "
                f"{frame[column].iloc[row]!r:.60}; correct it, or leave the cell empty"
            )
        found[column] = values
    return found


_LARGEST = 10**300


def numbers(frame: "pd.DataFrame", column: str) -> np.ndarray:
    """A column as numbers; not-a-number where a cell is none: its row has no prediction and says why."""
    found: np.ndarray = coerced(frame[column]).to_numpy()
    return found


def coerced(values: "pd.Series[Any]") -> "pd.Series[float]":
    """Cells as doubles: not-a-number for what is none, infinity for what none holds."""
    import pandas as pd

    if values.dtype == object:  # whole numbers of any size among them
        values = values.map(
            lambda value: math.inf if isinstance(value, int) and abs(value) > _LARGEST else value
        )
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def refuse_seconds(frame: "pd.DataFrame") -> None:
    """Raise InputError for a measured latency that can only be seconds, with the value it would have."""
    osl = numbers(frame, "osl_tokens")
    for column in (name for name in MEASURED if name in frame.columns):
        metric = column.partition("_")[0]
        for row, value in enumerate(frame[column].to_numpy()):
            if isinstance(value, Real) and looks_like_seconds(metric, float(value), osl[row]):
                problem, remedy = seconds_words(float(value))
                raise InputError(f"column {column}, row {row + 1}: {problem}; {remedy}")


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write CSV or parquet by file ending, whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            _harmless(frame).to_csv(temporary, index=False)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error, "give another -o") from error
    finally:
        temporary.unlink(missing_ok=True)


def _harmless(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The table with no text that a spreadsheet would take for a formula."""
    changed = {
        str(name): frame[name].map(lambda value: cell(value) if isinstance(value, str) else value)
        for name in frame.select_dtypes(exclude=["number", "bool"]).columns
    }
    return frame.assign(**changed) if changed else frame


# --- Engine options of a table's rows: what the row says, else what its benchmark is known to set.


OPTIONS = ("max_num_seqs", "max_num_batched_tokens", "poll_steps", "hold_steps")
SLOTS = "decode_max_num_seqs"  # of a rank of the decode engines of a disaggregated row
_LISTED = ("gpu", "precision", "tp", "isl_tokens", "osl_tokens")
_PROCEDURE = ("requests_per_slot", "length_spread")
_RECIPES = "runs/recipes.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Options that hold where every condition is met."""

    when: dict[str, Any]
    options: dict[str, int]

    def meets(self, table: "pd.DataFrame") -> np.ndarray:
        """Which rows of a completed table, with its procedure in numbers, it applies to."""
        mask: np.ndarray = (table["mode"] == self.when.get("mode", "agg")).to_numpy().copy()
        for name, wanted in self.when.items():
            if not mask.any():  # no row is left to ask about
                break
            mask &= _meets(table, name, wanted)
        return mask


def _meets(table: "pd.DataFrame", name: str, wanted: Any) -> np.ndarray:
    if name == "model":
        return table["model"].astype(str).str.contains(wanted, regex=False).to_numpy()
    if name == "concurrency_from":
        return np.asarray(table["concurrency"] >= wanted)
    if name == "attn_dp_from":
        return np.asarray(table["attn_dp"] >= wanted)
    if name == "concurrency_below":
        return np.asarray(table["concurrency"] < wanted)
    return table[name].isin(wanted if isinstance(wanted, list) else [wanted]).to_numpy()


@lru_cache(maxsize=1)
def recipes() -> tuple[Recipe, ...]:
    """The shipped recipes, in order; raises InputError for an entry of another shape."""
    path = data_dir() / _RECIPES
    known = {
        "mode",
        "backend",
        "model",
        "concurrency_from",
        "concurrency_below",
        "attn_dp_from",
        *_PROCEDURE,
        *_LISTED,
    }
    found = []
    for number, entry in enumerate(load_documents(path)[0], start=1):
        when, options = entry.get("when", {}), entry.get("set", {})
        unknown = [*(set(when) - known), *(set(options) - set(OPTIONS))]
        if unknown:
            raise InputError(f"{path}: entry {number} has unknown key {sorted(unknown)[0]!r}")
        found.append(Recipe(when=when, options=options))
    return tuple(found)


def procedures(table: "pd.DataFrame") -> dict[str, np.ndarray]:
    """Requests per slot and length spread of every row, from its columns or its named protocol."""
    named = {name: PROTOCOLS[name] for name in PROTOCOLS}
    found = {}
    for column in _PROCEDURE:
        values = {name: getattr(procedure, column) for name, procedure in named.items()}
        stated = table[column].to_numpy(dtype=np.float64)
        implied = table["protocol"].map(values).to_numpy(dtype=np.float64)
        found[column] = np.where(np.isfinite(stated), stated, implied)
    return found


def resolve_options(table: "pd.DataFrame") -> "pd.DataFrame":
    """The completed table with every column of OPTIONS; empty where nothing is known."""
    import pandas as pd

    table = table.copy()
    known = {name: np.full(len(table), np.nan) for name in OPTIONS}
    driven = table.assign(**procedures(table))
    for recipe in recipes():
        rows = recipe.meets(driven)
        for name, value in recipe.options.items():
            known[name][rows] = value
    for name in OPTIONS:
        stated = coerced(table[name]) if name in table else np.nan
        table[name] = pd.Series(stated, index=table.index, dtype="float64").fillna(
            pd.Series(known[name], index=table.index)
        )
    return table
