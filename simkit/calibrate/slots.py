"""Which measured runs waited for a place to decode, and how many places there were."""

from typing import TYPE_CHECKING

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.catalog.runs import SLOTS, procedures

if TYPE_CHECKING:
    import pandas as pd

_NEAR = 0.03  # of a whole power of two: how far off the mean of a run is
_QUEUED = 1.1  # requests in flight per place from which on some of them wait


def found_slots(table: "pd.DataFrame") -> FloatArray:
    """Places of a decode rank [runs] of a completed table, stated or as runs show them; nan: no sign of any.

    By Little's law ITL * (OSL - 1) / (ITL * (OSL - 1) + TTFT) of the requests in flight decode. Where these
    are fewer than are in flight, and a power of two per rank (as people set it), it had no more places.
    """
    known = table[SLOTS].to_numpy(dtype=np.float64).copy()
    split = (table["mode"] == "disagg").to_numpy() & ~np.isfinite(known)
    rows = table[split]
    names = ("concurrency", "ttft_ms_mean", "itl_ms_mean", "osl_tokens")
    load, ttft, itl, osl = (rows[name].to_numpy(dtype=np.float64) for name in names)
    decoding = load / (1.0 + ttft / (itl * (osl * _mean_share(rows) - 1.0)))
    lanes = np.prod([rows[f"decode_{name}"].to_numpy() for name in ("workers", "attn_dp", "pp")], axis=0)
    each = decoding / lanes
    places = 2.0 ** np.maximum(np.round(np.log2(each)), 0.0)
    bound = (np.abs(each / places - 1.0) < _NEAR) & (load > _QUEUED * places * lanes)
    known[split] = np.where(bound, places, np.nan)
    return known


def _mean_share(rows: "pd.DataFrame") -> FloatArray:
    """Mean over nominal length."""
    spread = procedures(rows)["length_spread"]
    return np.asarray(1.0 - spread / 2.0, dtype=np.float64)
