"""What comes of the points of a block: predicted as arrays, simulated or searched one by one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simkit.core.cost import cost_per_million_tokens
from simkit.core.errors import SimkitError
from simkit.core.user_calibration import OwnCalibration
from simkit.experiments.columns import METRICS, PREFIX, Do, dataset_columns
from simkit.experiments.single import recommended, simulated
from simkit.verbs.predict import OUTPUT, predicted_rows

if TYPE_CHECKING:
    import pandas as pd

_BOUNDED = ("ttft", "itl", "e2e")
_PREDICTED = (
    *OUTPUT,
    "predicted_e2e_ms_mean", "predicted_output_tokens_per_s", "predicted_tokens_per_s_per_user",
    "predicted_request_rate_per_s", "predicted_concurrency", "predicted_num_gpus",
    "predicted_kv_capacity_tokens",
)  # fmt: skip


class PointTask(NamedTuple):
    """What is done with every point, and the runs of one's own that predictions are corrected by."""

    do: Do
    own: OwnCalibration | None = None


def evaluated(do: Do, points: "pd.DataFrame", own: OwnCalibration | None = None) -> "pd.DataFrame":
    """The points with their results, every column of the dataset; those without say why in `error`."""
    if do == "predict":
        return _predicted(points, own)
    one = simulated if do == "simulate" else recommended
    return one_by_one(points, partial(one, own=own), do)


def _predicted(points: "pd.DataFrame", own: OwnCalibration | None) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, Any] = {str(name): points[name] for name in points}
    usable = points["error"].to_numpy() == ""
    asked = points[usable].drop(columns="error").reset_index(drop=True)
    found = predicted_rows(asked, own=own) if len(asked) else None
    at = np.flatnonzero(usable)
    columns |= _blank(len(points), "predict")
    if found is not None:
        for name in _PREDICTED:
            columns[name][at] = found[name].to_numpy()
        errors = points["error"].to_numpy().copy()
        errors[at] = found["error"].to_numpy()
        columns["error"] = errors
        for name, values in _verdicts(asked, found).items():
            columns[name][at] = values
        columns["source"][at] = "closed form"
    table = pd.DataFrame(columns)
    return table[list(dataset_columns("predict"))]


def _blank(count: int, do: Do) -> dict[str, Any]:
    numbers = [f"{PREFIX[do]}{name}" for name in METRICS] + ["sla_probability"]
    texts = ("meets_sla", "in_domain", "overloaded", "doubtful", "source")
    blank: dict[str, Any] = {name: np.full(count, np.nan) for name in numbers}
    return blank | {name: np.full(count, None, dtype=object) for name in texts}


def _verdicts(asked: "pd.DataFrame", found: "pd.DataFrame") -> dict[str, np.ndarray]:
    ok = (found["error"] == "").to_numpy()
    in_domain = found["in_domain"].to_numpy(dtype=bool)
    over = found["overloaded"].to_numpy() > 0
    verdicts: dict[str, np.ndarray] = {
        "in_domain": _where_known(ok, in_domain),
        "overloaded": _where_known(ok, over),
        "doubtful": _where_known(ok, found["doubtful"].to_numpy() > 0),
    }
    bounds = {name: asked[f"sla_{name}_ms"].to_numpy(dtype=np.float64) for name in _BOUNDED}
    bounded = ok & np.any([np.isfinite(bound) for bound in bounds.values()], axis=0)
    kept = ~over & np.all(
        [~(found[f"predicted_{n}_ms_mean"].to_numpy() > b) for n, b in bounds.items()], axis=0
    )
    verdicts["meets_sla"] = _where_known(bounded, kept)
    verdicts["sla_probability"] = found["sla_probability"].to_numpy()
    price = asked["gpu_hour_price"].to_numpy(dtype=np.float64)
    verdicts["predicted_cost_per_million_output_tokens"] = cost_per_million_tokens(
        price, found["predicted_output_tokens_per_s_per_gpu"].to_numpy()
    )
    return verdicts


def _where_known(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values where they are known, else None."""
    found = np.full(len(values), None, dtype=object)
    found[known] = values[known]
    return found


def one_by_one(
    points: "pd.DataFrame", one: Callable[[Mapping[str, Any]], dict[str, Any]], do: Do
) -> "pd.DataFrame":
    """The points with what `one` says of each."""
    import pandas as pd

    names = list(dataset_columns(do))
    rows = []
    for record in points.to_dict("records"):
        point = {str(name): None if pd.isna(value) else value for name, value in record.items()}
        if not point["error"]:
            try:
                point |= one(point)
            except (SimkitError, ValueError, KeyError) as error:
                point["error"] = str(error.args[0] if error.args else error)
        rows.append(point)
    return pd.DataFrame(rows, columns=names)
