"""A folder of imported points: parquet parts as a run has them, and a table that shows theirs beside ours."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.core.errors import InputError
from simkit.core.words import counted
from simkit.experiments.beside.foreign import foreign_columns
from simkit.experiments.provenance import METADATA_KEY, artifact_hashes
from simkit.experiments.store import PARTS
from simkit.experiments.stored_columns import read_stored
from simkit.io.paths import unwritable
from simkit.io.yamlio import write_text_atomic
from simkit.reports.pages import Page, Section, page_markdown
from simkit.verbs.recommend import versions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

IMPORT, COMPARISON = "import.json", "comparison"
_SHOWN = ("ttft_ms_mean", "itl_ms_mean", "output_tokens_per_s_per_gpu")
_OURS = "closed form"
_MOST_ROWS = 40  # of the page; the file has all


def is_import(folder: Path) -> bool:
    """Whether a folder holds imported points."""
    return (folder / IMPORT).is_file()


def write_import(folder: Path, table: "pd.DataFrame", command: Sequence[str]) -> None:
    """Put points into a folder beside those that are there. Raises InputError where it is something else."""
    if folder.exists() and not is_import(folder) and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else than imported points; give another folder with -o")
    known = {"kind": "import", "versions": versions(), "artifacts": artifact_hashes()}
    digest = hashlib.sha256("\n".join(table["point"]).encode()).hexdigest()[:16]
    part = folder / PARTS / f"00000000-{digest}.parquet"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _put(part, table, known)
        document = {**known, "command": list(command)}
        write_text_atomic(folder / IMPORT, json.dumps(document, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise unwritable(folder, error, "give another -o") from error


def _put(part: Path, table: "pd.DataFrame", known: Mapping[str, Any]) -> None:
    import pyarrow.parquet as pq

    temporary = part.with_name(f".{part.name}.partial")
    try:
        pq.write_table(_arrow(table, known), temporary, compression="zstd")
        temporary.replace(part)
    finally:
        temporary.unlink(missing_ok=True)


def _arrow(table: "pd.DataFrame", known: Mapping[str, Any]) -> "pa.Table":
    import pyarrow as pa

    kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    metadata = {METADATA_KEY: json.dumps(known, sort_keys=True).encode()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in foreign_columns().items()], metadata=metadata)
    columns = []
    for field in schema:
        values = [None if value is None or value != value else value for value in table[field.name]]  # noqa: PLR0124
        if pa.types.is_int64(field.type):
            values = [None if value is None else int(value) for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.table(columns, schema=schema)


def read_import(folder: Path) -> "pd.DataFrame":
    """Every imported point, as its tool says it and as we do."""
    import pandas as pd

    files = sorted((folder / PARTS).glob("[0-9]*.parquet"))
    if not is_import(folder) or not files:
        raise InputError(f"{folder}: no imported points here; simkit experiment import FILES -o DIR")
    both = pd.concat([read_stored(path, "import the files again") for path in files], ignore_index=True)
    found: pd.DataFrame = both.drop_duplicates(["point", "source"], ignore_index=True)
    return found


def beside_ours(table: "pd.DataFrame") -> "pd.DataFrame":
    """One row a point: deployment, load, their figures, ours, and ours over theirs."""
    ours = table[(table["source"] == _OURS).to_numpy() | (table["error"] != "").to_numpy()]
    theirs = table[(table["source"] != _OURS).to_numpy() & (table["error"] == "").to_numpy()]
    both = theirs.merge(ours, on="point", suffixes=("", " ours"))
    out = both[["source", "model", "gpu", "backend"]].copy()
    out["layout"] = [_layout(row) for _, row in both.iterrows()]
    for name in ("num_gpus", "isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s"):
        out[name] = both[name]
    for name in _SHOWN:
        said = both[f"measured_{name}"].fillna(both[f"predicted_{name}"])
        out[f"{name} theirs"], out[f"{name} ours"] = said, both[f"predicted_{name} ours"]
        out[f"{name} ours/theirs"] = both[f"predicted_{name} ours"] / said
    out["in_domain"], out["error"] = both["in_domain ours"], both["error ours"]
    return out


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows in JSON's own types; what is not known is null."""
    found: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=10))
    return found


def _layout(row: "pd.Series[Any]") -> str:
    def pool(prefix: str, count: Any) -> str:
        names = {"tp": "tp", "pp": "pp", "attn_dp": "dp", "moe_tp": "mtp", "ep": "ep"}
        sizes = {short: row[f"{prefix}{name}"] for name, short in names.items()}
        kept = [f"{short}{int(size)}" for short, size in sizes.items() if size == size and size > 1]  # noqa: PLR0124
        return f"{int(count)}x{''.join(kept) or 'tp1'}"

    if row["mode"] == "disagg":
        return "+".join(pool(f"{role}_", row[f"{role}_workers"] or 1) for role in ("prefill", "decode"))
    each = np.prod([float(row[name]) for name in ("tp", "pp", "attn_dp") if row[name] == row[name]])
    return pool("", max(float(row["num_gpus"]) / each, 1.0))


def comparison_page(table: "pd.DataFrame") -> Page:
    """Theirs beside ours: how far apart the figures are, then point by point."""
    compared = beside_ours(table)
    heads = ("source", "deployment", "load", "TTFT theirs", "ours [ms]", "ITL theirs", "ours [ms]",
             "tokens/s/GPU theirs", "ours")  # fmt: skip
    rows = tuple(_row(row) for _, row in compared.head(_MOST_ROWS).iterrows())
    lines = [_apart(compared, source) for source in dict.fromkeys(compared["source"])]
    failed = compared.loc[(compared["error"] != "").to_numpy(), "error"].value_counts().head(3)
    lines += [f"not predicted, {count} x {reason}" for reason, count in failed.items()]
    more = len(compared) - len(rows)
    if more > 0:
        lines.append(f"{more:,} further points are in {COMPARISON}.csv")
    sections = (
        Section(title="Ours against theirs", lines=tuple(lines)),
        Section(title="Point by point", heads=heads, rows=rows, words=3),
    )
    count = len(compared)
    return Page(title="imported", verdict=f"{counted(count, 'point')} beside ours", sections=sections)


def _apart(compared: "pd.DataFrame", source: str) -> str:
    rows = compared[(compared["source"] == source).to_numpy()]
    names = {"TTFT": _SHOWN[0], "ITL": _SHOWN[1], "output per GPU": _SHOWN[2]}
    told = []
    for word, name in names.items():
        ratio = rows[f"{name} ours/theirs"].to_numpy(dtype=np.float64)
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio):
            told.append(f"{word} {np.median(np.abs(ratio - 1)):.0%} (ours/theirs {np.median(ratio):.2f})")
    return f"{source}, {len(rows):,} points, median difference: {', '.join(told) or 'nothing to compare'}"


def _row(row: "pd.Series[Any]") -> tuple[str, ...]:
    per_s, slots = row["request_rate_per_s"], row["concurrency"]
    load = f"{per_s:g}/s" if per_s == per_s else f"{slots:g} in flight"  # noqa: PLR0124
    figures = []
    for name in _SHOWN:
        for who in ("theirs", "ours"):
            value = row[f"{name} {who}"]
            figures.append("-" if value != value else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")  # noqa: PLR0124
    where = f"{row['model']} {row['gpu']} {row['backend']} {row['layout']}"
    return (row["source"], where, f"{row['isl_tokens']}/{row['osl_tokens']}, {load}", *figures)


def write_comparison(folder: Path) -> Page:
    """comparison.csv and comparison.md of all points of the folder; the same for a terminal."""
    from simkit.catalog.runs import write_table

    table = read_import(folder)
    page = comparison_page(table)
    write_table(beside_ours(table), folder / f"{COMPARISON}.csv")
    write_text_atomic(folder / f"{COMPARISON}.md", page_markdown(page))
    return page
