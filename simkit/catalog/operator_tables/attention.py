"""Attention kernels: context_attention_perf and generation_attention_perf.

The tables hold prompts without prefix; `step` of the generation rows is the context before the token.
"""

import numpy as np
import pandas as pd

from perfmodels.arrays import FloatArray
from perfmodels.op_times.families.attention import AttentionVariant
from simkit.catalog.operator_tables.reader import Table, number_format

_FORMATS = ["attn_dtype", "kv_cache_dtype", "head_dim"]
_SIZES = ["batch_size", "isl", "step", "num_heads", "num_key_value_heads", "window"]
_CHUNK = 8192  # SGLang's rows with this window are attention inside chunks, as Llama 4 has it


def main_kernel_only(rows: pd.DataFrame, keys: list[str], variant: list[str]) -> pd.DataFrame:
    """Rows, without those another kernel of the variant repeats: the one with most rows is kept."""
    count = rows.groupby([*variant, "kernel_source"])["latency"].transform("size")
    best = count.groupby([rows[key] for key in [*variant, *keys]]).transform("max")
    return rows[count == best]


def _windows(rows: pd.DataFrame) -> FloatArray:
    """Keys a query sees at most [tokens], infinite without a window."""
    if "window_size" not in rows:
        return np.full(len(rows), np.inf)
    window = rows["window_size"].to_numpy(dtype=np.float64)
    return np.where(window > 0, window, np.inf)


def _prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `window` and `windowed`, one kernel each."""
    window = _windows(rows)
    rows = rows.assign(window=window, windowed=np.isfinite(window))
    return main_kernel_only(rows, _SIZES, [*_FORMATS, "windowed"])


def _variants(rows: pd.DataFrame) -> pd.Series:
    """One label per row; there are few distinct combinations among many rows."""
    keys = rows[[*_FORMATS, "windowed"]]
    labels = {key: _variant(*key) for key in keys.drop_duplicates().itertuples(index=False, name=None)}
    return pd.Series([labels[key] for key in keys.itertuples(index=False, name=None)], index=rows.index)


def _variant(attn: str, kv: str, head_dim: int, windowed: bool) -> str:
    return AttentionVariant(
        attn=number_format(attn), kv=number_format(kv), head_dim=int(head_dim), windowed=bool(windowed)
    ).name


def _mean_keys(rows: pd.DataFrame) -> FloatArray:
    """Keys a query sees on average, causal, inside a window or a chunk."""
    new = rows["isl"].to_numpy(dtype=np.float64)
    window = np.minimum(rows["window"].to_numpy(), new)
    sliding = window * (window + 1.0) / 2.0 + (new - window) * window
    chunks, rest = np.divmod(new, window)
    chunked = chunks * window * (window + 1.0) / 2.0 + rest * (rest + 1.0) / 2.0
    chunks_here = (rows["framework"].str.lower() == "sglang") & (rows["window"] == _CHUNK)
    mean: FloatArray = np.where(chunks_here, chunked, sliding) / new
    return mean


def _prefill(rows: pd.DataFrame) -> pd.DataFrame:
    rows = _prepared(rows)
    return pd.DataFrame({
        "variant": _variants(rows),
        "prompts": rows["batch_size"],
        "new_tokens": rows["isl"],
        "keys_per_query": _mean_keys(rows),
        "heads": rows["num_heads"],
        "kv_heads": rows["num_key_value_heads"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _decode(rows: pd.DataFrame) -> pd.DataFrame:
    rows = _prepared(rows)
    return pd.DataFrame({
        "variant": _variants(rows),
        "seqs": rows["batch_size"],
        "keys": np.minimum(rows["step"] + 1, rows["window"]),
        "heads": rows["num_heads"],
        "kv_heads": rows["num_key_value_heads"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


ATTENTION_PREFILL_TABLE = Table(file="context_attention_perf", normalise=_prefill)
ATTENTION_DECODE_TABLE = Table(file="generation_attention_perf", normalise=_decode)
