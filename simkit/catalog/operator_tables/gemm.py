"""Dense matrix products, quantising their inputs, mixing residual streams: gemm_perf and others."""

from collections.abc import Callable

import pandas as pd

from simkit.catalog.operator_tables.reader import Table, number_format


def _normalise(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "variant": rows["gemm_dtype"].map(number_format),
        "m": rows["m"],
        "n": rows["n"],
        "k": rows["k"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


GEMM_TABLE = Table(file="gemm_perf", normalise=_normalise)


# --- Quantising activations: scale_matrix_perf and computescale_perf.


_RESOLUTION_S = 1e-7  # compute_scale is a difference of two times: below this it is noise


def _normaliser(part: str, least_s: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def normalise(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({
            "variant": rows["quant_dtype"].map(number_format) + f"/{part}",
            "m": rows["m"],
            "k": rows["k"],
            "kernel": rows["kernel_source"],
            "time_s": (rows["latency"] * 1e-3).clip(lower=least_s),
        })  # fmt: skip

    return normalise


QUANTISE_TABLES = (
    Table(file="scale_matrix_perf", normalise=_normaliser("scale", 0.0)),
    Table(file="computescale_perf", normalise=_normaliser("compute_scale", _RESOLUTION_S)),
)


# --- Hyper-connections: mhc_module_perf.


def _mhc_normalise(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows count every site of a layer: at one site, memory would run at half the rate of like kernels."""
    return pd.DataFrame({
        "variant": rows["op_name"],
        "num_tokens": rows["num_tokens"],
        "hidden": rows["hidden_size"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3 / rows["num_sites"],
    })  # fmt: skip


MHC_TABLES = (Table(file="mhc_module_perf", normalise=_mhc_normalise),)
