"""Latent attention: context_mla_perf, generation_mla_perf, the two module tables and mla_bmm_perf.

num_heads is what one GPU holds. Context rows have no prefix. `step` is the context before the token in
kernel tables, and with the token in module tables. The wideep_* tables are left out: launches from
Python take 0.5-0.8 ms of each of their context rows.
"""

from collections.abc import Callable

import pandas as pd

from perfmodels.op_times.families.mla import mla_bmm_variant, mla_variant
from simkit.catalog.operator_tables.reader import Table, number_format

_DEEPSEEK = "deepseek-ai/DeepSeek-V3"  # the sizes of the family


def _labels(rows: pd.DataFrame, keys: list[str], name: Callable[..., str]) -> pd.Series:
    """One label per row; there are few distinct combinations among many rows."""
    found = rows[keys].drop_duplicates().itertuples(index=False, name=None)
    labels = {key: name(*key) for key in found}
    return pd.Series([labels[key] for key in rows[keys].itertuples(index=False, name=None)], index=rows.index)


def _variant(*formats: str) -> str:
    return mla_variant(*(number_format(name) for name in formats))


def _bmm_variant(op_name: str, weights: str) -> str:
    return mla_bmm_variant(number_format(weights), before=op_name.endswith("_pre"))


def _formats(rows: pd.DataFrame) -> pd.Series:
    keys = ["mla_dtype", "kv_cache_dtype"]
    return _labels(rows, keys + (["gemm_type"] if "gemm_type" in rows else []), _variant)


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of models whose sizes we know; kernel tables name none."""
    return rows[rows["model"] == _DEEPSEEK] if "model" in rows else rows


def _prefill(rows: pd.DataFrame) -> pd.DataFrame:
    rows = _known(rows)
    return pd.DataFrame({
        "variant": _formats(rows),
        "prompts": rows["batch_size"],
        "new_tokens": rows["isl"],
        "keys_per_query": rows["step"] + (rows["isl"] + 1) / 2,
        "heads": rows["num_heads"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _decode(rows: pd.DataFrame) -> pd.DataFrame:
    rows = _known(rows)
    return pd.DataFrame({
        "variant": _formats(rows),
        "seqs": rows["batch_size"],
        "keys": rows["step"] + (0 if "model" in rows else 1),
        "heads": rows["num_heads"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _bmm(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "variant": _labels(rows, ["op_name", "bmm_dtype"], _bmm_variant),
        "tokens": rows["num_tokens"],
        "heads": rows["num_heads"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


MLA_PREFILL_TABLE = Table(file="context_mla_perf", normalise=_prefill)
MLA_DECODE_TABLE = Table(file="generation_mla_perf", normalise=_decode)
MLA_MODULE_PREFILL_TABLE = Table(file="mla_context_module_perf", normalise=_prefill)
MLA_MODULE_DECODE_TABLE = Table(file="mla_generation_module_perf", normalise=_decode)
MLA_BMM_TABLE = Table(file="mla_bmm_perf", normalise=_bmm)
