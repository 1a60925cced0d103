"""Collectives and expert-parallel exchange: custom_allreduce_perf, nccl_perf, moe_a2a_perf and others.

The tables' message_size counts elements. Their latency is in milliseconds, that of moe_a2a_perf and of the
wideep tables in microseconds. Where a DeepEP table varies the SMs it is given, DeepEP's default of 20 counts.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from simkit.catalog.operator_tables.reader import Table, number_format

_ELEMENT_BYTES = {"half": 2.0, "bfloat16": 2.0, "float16": 2.0, "fp8": 1.0, "int8": 1.0}
_SMS = 20
_GPUS_PER_NODE = 8  # of the nodes on which the wideep tables span several


def _custom(rows: pd.DataFrame) -> pd.DataFrame:
    """Engines' own all-reduce; eager rows hold the launch by Python, 20-100 us."""
    eager = rows["kernel_source"].str.endswith("_eager")
    return pd.DataFrame({
        "variant": np.where(eager, "eager", "graph"),
        "message_bytes": rows["message_size"] * rows["allreduce_dtype"].map(_ELEMENT_BYTES),
        "group": rows["num_gpus"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _library(operation: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """NCCL's or oneCCL's; int8 cannot be added up in switches, so formats differ."""

    def normalise(table: pd.DataFrame) -> pd.DataFrame:
        rows = table[table["op_name"] == operation]
        return pd.DataFrame({
            "variant": rows["nccl_dtype"].map(number_format),
            "message_bytes": rows["message_size"] * rows["nccl_dtype"].map(_ELEMENT_BYTES),
            "group": rows["num_gpus"],
            "kernel": rows["kernel_source"],
            "time_s": rows["latency"] * 1e-3,
        })  # fmt: skip

    return normalise


def _measured_exchange(phase: str, *, low_latency: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def normalise(table: pd.DataFrame) -> pd.DataFrame:
        kind = table["comm_backend"].str.endswith("_ll")
        rows = table[(table["phase"] == phase) & (kind == low_latency)]
        backend = rows["comm_backend"].str.removeprefix("trtllm_")
        formats = rows["comm_dtype"].replace("fp4", "nvfp4").map(number_format)
        sizes = {"tokens": "num_tokens", "hidden": "hidden_size", "experts": "num_experts", "ep": "ep_size"}
        return pd.DataFrame({
            "variant": backend + ":" + formats,
            **{ours: rows[theirs] for ours, theirs in sizes.items()},
            "topk": rows["topk"],
            "kernel": rows["kernel_source"],
            "time_s": rows["latency"] * 1e-6,
        })  # fmt: skip

    return normalise


def _deepep(phase: str, *, low_latency: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """DeepEP's own benchmark: eight-bit dispatch, 16-bit combine."""
    element = "fp8" if phase == "dispatch" else "bf16"

    def normalise(table: pd.DataFrame) -> pd.DataFrame:
        rows = table if low_latency else table[table[f"{phase}_sms"] == _SMS]
        times = (f"{phase}_avg_t_us",) if low_latency else (f"{phase}_transmit_us", f"{phase}_notify_us")
        per_node = np.where(rows["device"].str.contains("GB"), 4, _GPUS_PER_NODE)
        return pd.DataFrame({
            "variant": ("deepep_ll:" if low_latency else "deepep_ht:") + element,
            "tokens": rows["num_token"],
            "hidden": rows["hidden_size"],
            "topk": rows["num_topk"],
            "experts": rows["num_experts"],
            "ep": rows["node_num"] * per_node,
            "kernel": rows["kernel_source"],
            "time_s": sum(rows[name] for name in times) * 1e-6,
        })  # fmt: skip

    return normalise


_NVLINK_SIZES = [
    "kernel_source", "moe_dtype", "num_tokens", "hidden_size", "topk", "num_experts", "moe_ep_size",
]  # fmt: skip


def _nvlink(phase: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """TRT-LLM's kernels for one NVLink domain; the two-sided dispatch needs a step that prepares it."""

    def normalise(table: pd.DataFrame) -> pd.DataFrame:
        wanted = {"dispatch": ["alltoall_prepare", "alltoall_dispatch"]}.get(phase, ["alltoall_combine"])
        rows = table[table["op_name"].isin(wanted)]
        repeats = rows.groupby([*_NVLINK_SIZES, "op_name"]).agg(latency=("latency", "median")).reset_index()
        rows = repeats.groupby(_NVLINK_SIZES).agg(latency=("latency", "sum")).reset_index()
        name = rows["kernel_source"].map(
            {"NVLinkOneSided": "nvlink_one_sided", "NVLinkTwoSided": "nvlink_two_sided"}
        )
        element = rows["moe_dtype"].map(number_format) if phase == "dispatch" else "bf16"
        return pd.DataFrame({
            "variant": name + ":" + element,
            "tokens": rows["num_tokens"],
            "hidden": rows["hidden_size"],
            "topk": rows["topk"],
            "experts": rows["num_experts"],
            "ep": rows["moe_ep_size"],
            "kernel": rows["kernel_source"],
            "time_s": rows["latency"] * 1e-3,
        })  # fmt: skip

    return normalise


def _message_tables(operation: str) -> tuple[Table, ...]:
    files = ("nccl_perf", "oneccl_perf")
    return tuple(Table(file=file, normalise=_library(operation)) for file in files)


def _exchange_tables(phase: str) -> tuple[Table, ...]:
    return (
        Table(file="moe_a2a_perf", normalise=_measured_exchange(phase, low_latency=False)),
        Table(file="wideep_deepep_normal_perf", normalise=_deepep(phase, low_latency=False)),
        Table(file="trtllm_alltoall_perf", normalise=_nvlink(phase)),
    )


def _low_latency_tables(phase: str) -> tuple[Table, ...]:
    return (
        Table(file="moe_a2a_perf", normalise=_measured_exchange(phase, low_latency=True)),
        Table(file="wideep_deepep_ll_perf", normalise=_deepep(phase, low_latency=True)),
    )


# Tables of each family, by its name.
COMM_TABLES = {
    "all_reduce": (
        Table(file="custom_allreduce_perf", normalise=_custom),
        *_message_tables("all_reduce"),
    ),
    "all_gather": _message_tables("all_gather"),
    "reduce_scatter": _message_tables("reduce_scatter"),
    "all_to_all": _message_tables("alltoall"),
    "ep_dispatch": _exchange_tables("dispatch"),
    "ep_combine": _exchange_tables("combine"),
    "ep_dispatch_ll": _low_latency_tables("dispatch"),
    "ep_combine_ll": _low_latency_tables("combine"),
}
