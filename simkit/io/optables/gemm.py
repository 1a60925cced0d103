"""Dense matrix products: gemm_perf."""

import pandas as pd

from simkit.io.optables.reader import Table, number_format


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
