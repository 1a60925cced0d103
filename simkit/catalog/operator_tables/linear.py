"""State-based mixers: gdn_perf, kda_perf, mamba2_perf.

A layer is several kernels, each with rows of its own: the short convolution and the recurrence, which
add, or one kernel that fuses both. Rows of the phase `verify` (several drafted tokens) are left out.
"""

from collections.abc import Callable
from functools import partial

import pandas as pd

from simkit.catalog.operator_tables.reader import Table

_FUSED = ("kda_fused_decode", "fused_kda_decode")
_SIZES = ["variant", "seqs", "new_tokens", "heads", "conv_channels"]


def _delta_rule_sizes(rows: pd.DataFrame, variant: str) -> pd.DataFrame:
    keys, values = rows["num_k_heads"] * rows["head_k_dim"], rows["num_v_heads"] * rows["head_v_dim"]
    return _sizes(rows, variant, rows["num_v_heads"], 2 * keys + values)


def _mamba2_sizes(rows: pd.DataFrame) -> pd.DataFrame:
    channels = rows["nheads"] * rows["head_dim"] + 2 * rows["n_groups"] * rows["d_state"]
    return _sizes(rows, "mamba2_conv", rows["nheads"], channels)


def _sizes(rows: pd.DataFrame, variant: str, heads: pd.Series, channels: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({
        "variant": variant,
        "seqs": rows["batch_size"],
        "new_tokens": rows["seq_len"],
        "heads": heads,
        "conv_channels": channels,
        "kernel": rows["kernel_source"],
        "time_s": rows["latency"] * 1e-3,
    })  # fmt: skip


def _layer(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per size with the time of the whole mixer.

    Models that share sizes repeat kernels: medians first. A fused kernel stands for the layer; sizes
    where one of the two parts is missing are dropped, unless the convolution is all there is.
    """
    kernels = rows.groupby([*_SIZES, "kernel"], as_index=False)["time_s"].median()
    is_fused = kernels["kernel"].isin(_FUSED)
    is_conv = kernels["kernel"].str.startswith("causal_conv1d") & ~is_fused
    parts = kernels[~is_fused].assign(conv=is_conv[~is_fused], rest=~is_conv[~is_fused])
    layer = parts.groupby(_SIZES, as_index=False).agg(
        time_s=("time_s", "sum"), kernel=("kernel", "+".join), conv=("conv", "sum"), rest=("rest", "sum")
    )
    whole = (layer["conv"] == 1) & ((layer["rest"] == 1) | (layer["variant"] == "mamba2_conv"))
    fused = kernels[is_fused]
    both = pd.concat([fused, layer.loc[whole, [*_SIZES, "kernel", "time_s"]]], ignore_index=True)
    found: pd.DataFrame = both.drop_duplicates(_SIZES)  # fused rows come first
    return found


def _phase(
    phase: str, sizes: Callable[[pd.DataFrame], pd.DataFrame]
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def normalise(rows: pd.DataFrame) -> pd.DataFrame:
        return _layer(sizes(rows[rows["phase"] == phase]))

    return normalise


def _tables(phase: str) -> tuple[Table, ...]:
    delta_rules = tuple(
        Table(
            file=f"{name}_perf",
            normalise=_phase(phase, partial(_delta_rule_sizes, variant=name)),
        )
        for name in ("gdn", "kda")
    )
    return (*delta_rules, Table(file="mamba2_perf", normalise=_phase(phase, _mamba2_sizes)))


LINEAR_PREFILL_TABLES = _tables("context")
LINEAR_DECODE_TABLES = _tables("generation")
