"""Sparse attention modules: dsa, dsv4_csa, dsv4_hca and msa, context and generation.

num_heads of these tables is what one GPU holds. `step` is the cached prefix.
"""

from collections.abc import Callable

import pandas as pd

from perfmodels.op_times.families.sparse import sparse_variant
from simkit.catalog.operator_tables.reader import Table

_MODELS = {
    "deepseek-ai/DeepSeek-V3.2": "deepseek_v32",
    "zai-org/GLM-5": "glm5",
    "zai-org/GLM-5-FP8": "glm5",
    "zai-org/GLM-5.2": "glm5",
    "zai-org/GLM-5.2-FP8": "glm5",
    "sgl-project/DeepSeek-V4-Flash-FP8": "deepseek_v4_flash",
    "sgl-project/DeepSeek-V4-Pro-FP8": "deepseek_v4_pro",
    "MiniMaxAI/MiniMax-M3": "minimax_m3",
}
_FILES = {"dsa": "dsa", "dsv4_csa": "csa", "dsv4_hca": "hca", "msa": "msa"}
_SKIPPING = "zai-org/GLM-5.2"  # its rows are layers that reuse another layer's selection


def _variants(rows: pd.DataFrame, mechanism: str) -> pd.Series:
    """One label per row; there are few distinct combinations among many rows."""
    keys = rows[["model", "kv_cache_dtype", "gemm_type"]]
    labels = {
        key: _variant(mechanism, *key) for key in keys.drop_duplicates().itertuples(index=False, name=None)
    }
    return pd.Series([labels[key] for key in keys.itertuples(index=False, name=None)], index=rows.index)


def _variant(mechanism: str, model: str, kv: str, gemm: str) -> str:
    skips = mechanism == "dsa" and model.startswith(_SKIPPING)
    return sparse_variant(f"{mechanism}{'_skip' if skips else ''}-{_MODELS[model]}", kv, gemm)


# Neighbouring sizes differ tenfold and more in this kernel's context tables, and repeat nowhere.
_NOISE = "msa_fmha_sm100"


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of models whose sizes we know."""
    return rows[rows["model"].isin(list(_MODELS))]


def _context(mechanism: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def normalise(rows: pd.DataFrame) -> pd.DataFrame:
        rows = _known(rows[rows["kernel_source"] != _NOISE])
        return pd.DataFrame({
            "variant": _variants(rows, mechanism),
            "prompts": rows["batch_size"],
            "new_tokens": rows["isl"],
            "cached_tokens": rows["step"],
            "heads": rows["num_heads"],
            "kernel": rows["kernel_source"],
            "time_s": rows["latency"] * 1e-3,
        })  # fmt: skip

    return normalise


def _generation(mechanism: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A sequence sees its prefix and the token being generated."""

    def normalise(rows: pd.DataFrame) -> pd.DataFrame:
        rows = _known(rows)
        return pd.DataFrame({
            "variant": _variants(rows, mechanism),
            "seqs": rows["batch_size"],
            "context": rows["step"] + rows["isl"],
            "heads": rows["num_heads"],
            "kernel": rows["kernel_source"],
            "time_s": rows["latency"] * 1e-3,
        })  # fmt: skip

    return normalise


DSA_PREFILL_TABLES = (Table(file="dsa_context_module_perf", normalise=_context("dsa")),)
SPARSE_PREFILL_TABLES = tuple(
    Table(file=f"{file}_context_module_perf", normalise=_context(mechanism))
    for file, mechanism in _FILES.items()
    if mechanism != "dsa"
)
SPARSE_DECODE_TABLES = tuple(
    Table(file=f"{file}_generation_module_perf", normalise=_generation(mechanism))
    for file, mechanism in _FILES.items()
)
