"""AIConfigurator's pareto.csv and best_config_topn.csv: its predictions, one deployment and load a row.

Columns as its writer names them: latencies in milliseconds, `tpot` is our ITL, `(p)` and `(d)` stand before
what is of the prefill or decode pool, dp is of attention.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.core.errors import InputError
from simkit.io.frames import read_frame

if TYPE_CHECKING:
    import pandas as pd

_SIZES = {"tp": "tp", "pp": "pp", "dp": "attn_dp", "moe_tp": "moe_tp", "moe_ep": "ep"}
_FIGURES = {
    "ttft": "ttft_ms_mean", "tpot": "itl_ms_mean", "request_latency": "e2e_ms_mean",
    "tokens/s": "output_tokens_per_s", "tokens/s/gpu": "output_tokens_per_s_per_gpu",
    "tokens/s/user": "tokens_per_s_per_user", "seq/s": "request_rate_per_s", "num_total_gpus": "num_gpus",
}  # fmt: skip
_TEXTS = ("model", "gpu", "backend", "backend_version", "gemm_dtype", "moe_dtype")
_NEEDED = ("isl", "osl", "concurrency", *_FIGURES)


def is_pareto_csv(header: list[str]) -> bool:
    """Whether these are columns of AIConfigurator."""
    return {"tokens/s/gpu", "tokens/s/user", "tpot"} <= set(header)


def read_pareto_csv(path: Path) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """Of every row the deployment with its load, and the figures. Raises InputError."""
    import pandas as pd

    frame = read_frame(path, "write it again with AIConfigurator")
    missing = [name for name in _NEEDED if name not in frame]
    if missing:
        raise InputError(
            f"{path}: column {missing[0]} missing; expected AIConfigurator's pareto.csv as written"
        )
    for name in _NEEDED:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise InputError(
                f"{path}: column {name} is no column of numbers; write it again with AIConfigurator"
            )
    return [(_deployed(row), _figures(row)) for _, row in frame.iterrows()]


def _deployed(row: "pd.Series[Any]") -> dict[str, Any]:
    facts: dict[str, Any] = {"model": row.get("model")}
    facts |= {"isl_tokens": row["isl"], "osl_tokens": row["osl"], "concurrency": row["concurrency"]}
    pools = ("(p)", "(d)") if "(p)tp" in row.index else ("",)
    for mark in pools:
        prefix = {"(p)": "prefill_", "(d)": "decode_", "": ""}[mark]
        named = {"gpu": "system", "backend": "backend", "backend_version": "version"}
        facts |= {name: row.get(f"{mark}{column}") for name, column in named.items()}
        facts |= {"gemm_dtype": row.get(f"{mark}gemm"), "moe_dtype": row.get(f"{mark}moe")}
        facts |= {f"{prefix}{ours}": row.get(f"{mark}{theirs}") for theirs, ours in _SIZES.items()}
        if mark:
            facts[f"{prefix}workers"] = row.get(f"{mark}workers")
    facts["num_gpus"] = row["num_total_gpus"]
    known = {name: value for name, value in facts.items() if value is not None and value == value}  # noqa: PLR0124
    return {name: str(value) if name in _TEXTS else value for name, value in known.items()}


def _figures(row: "pd.Series[Any]") -> dict[str, float]:
    return {ours: float(row[theirs]) for theirs, ours in _FIGURES.items()}
