"""Quantising activations: scale_matrix_perf and computescale_perf."""

from collections.abc import Callable

import pandas as pd

from simkit.io.optables.reader import Table, number_format

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
