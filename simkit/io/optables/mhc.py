"""Hyper-connections: mhc_module_perf."""

import pandas as pd

from simkit.io.optables.reader import Table


def _normalise(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows count every site of a layer: at one site, memory would run at half the rate of like kernels."""
    return pd.DataFrame({
        "variant": rows["op_name"],
        "num_tokens": rows["num_tokens"],
        "hidden": rows["hidden_size"],
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3 / rows["num_sites"],
    })  # fmt: skip


MHC_TABLES = (Table(file="mhc_module_perf", normalise=_normalise),)
