"""Routed experts: moe_perf."""

import pandas as pd

from perfmodels.op_times.families.moe import UNGATED, moe_variant
from simkit.catalog.operator_tables.reader import Table, number_format

# Part of a kernel's name -> our name for its kind; the first match counts.
_KERNELS = (
    ("min_latency", "low_latency"), ("situ_as_silu", "situ"), ("marlin", "marlin"), ("deepgemm", "deepgemm"),
    ("cutlass", "cutlass"), ("triton", "triton"), ("trtllm", "trtllm"), ("fused_moe", "triton"),
    ("torch_flow", "cutlass"),
)  # fmt: skip


def _normalise(rows: pd.DataFrame) -> pd.DataFrame:
    fmt = rows["moe_dtype"].map(number_format)
    kind = _kinds(fmt, rows["kernel_source"].map(_kernel), _ungated(rows))
    variants = [moe_variant(f, load, k) for f, load, k in zip(fmt, rows["distribution"], kind, strict=True)]
    return pd.DataFrame({
        "variant": variants,
        "num_tokens": rows["num_tokens"],
        "hidden": rows["hidden_size"],
        "inter": rows["inter_size"],
        "topk": rows["topk"],
        "experts": rows["num_experts"],
        "moe_tp": rows["moe_tp_size"],
        "ep": rows["moe_ep_size"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _ungated(rows: pd.DataFrame) -> pd.Series:
    """Rows of Nemotron-H, whose experts lack a gate; only some engines' kernel names say so."""
    widest = (rows["num_experts"] == 512) & (rows["topk"] == 22)
    smallest = (rows["hidden_size"] == 2688) & (rows["inter_size"] == 1856)
    return widest | smallest | rows["kernel_source"].str.contains("nongated")


def _kernel(name: str) -> str:
    return next((kind for part, kind in _KERNELS if part in name), name)


def _kinds(fmt: pd.Series, kernel: pd.Series, ungated: pd.Series) -> pd.Series:
    """Gate and kernel; the kernel that most rows of a format ran, with or without gate, goes unnamed."""
    groups = kernel.groupby([fmt, ungated])
    usual = groups.transform(lambda kernels: kernels.value_counts().index[0])
    gate = ungated.map({True: UNGATED, False: ""})
    named = (gate + "_" + kernel).str.removeprefix("_")
    return named.where(kernel != usual, gate)


MOE_TABLE = Table(file="moe_perf", normalise=_normalise)
