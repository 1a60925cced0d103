"""A flat table of evaluated configurations: one row is one deployment under one load."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from simkit.closed_form.outcomes import Outcomes
from simkit.closed_form.percentiles import goodput_share, itl_quantile, ttft_quantile
from simkit.core.slo import Slo

BoolArray = NDArray[np.bool_]
_OVERLOADED = 1e9  # far beyond any miss of a bound; divided by the rate that is sustained


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Columns of equal length.

    plan and decode_plan index the choices of a PreparedEngine; an aggregated row has workers = replicas,
    decode_workers = 0 and decode_plan = -1; in a disaggregated one plan and workers are those of
    prefill. engine_gpus are those of the widest engine. in_flight and requests_per_s are over the whole
    deployment. usual is 1 where the engines keep their usual settings, 0 where something was changed
    (simkit.search.engine_settings).
    """

    plan: FloatArray
    workers: FloatArray
    decode_plan: FloatArray
    decode_workers: FloatArray
    num_gpus: FloatArray
    engine_gpus: FloatArray
    in_flight: FloatArray
    requests_per_s: FloatArray
    ttft_s: FloatArray
    itl_s: FloatArray
    e2e_s: FloatArray
    waiting_s: FloatArray
    queue_s: FloatArray
    room_s: FloatArray
    batch: FloatArray
    peak_batch: FloatArray
    prefill_share: FloatArray
    kv_capacity_tokens: FloatArray
    saturated: FloatArray
    doubtful: FloatArray
    ttft_log_sd: FloatArray
    itl_log_sd: FloatArray
    least_ttft_s: FloatArray
    least_itl_s: FloatArray
    usual: FloatArray

    def __len__(self) -> int:
        return len(self.plan)

    def take(self, index: NDArray[np.intp] | BoolArray) -> "Points":
        """The rows at `index`, a mask or positions."""
        return Points(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def metric(self, name: str, statistic: str = "mean") -> FloatArray:
        """A latency by the name an Slo uses: its column of means, or a percentile over requests."""
        if statistic == "mean":
            column: FloatArray = getattr(self, name)
            return column
        percentile = int(statistic.removeprefix("p"))
        ttft = ttft_quantile(self.ttft_s, self.waiting_s, percentile)
        itl = itl_quantile(self.itl_s, (self.prefill_share, self.batch), percentile)
        if name == "e2e_s":
            with np.errstate(invalid="ignore"):  # overloaded rows wait for ever
                decodes = (self.e2e_s - self.ttft_s) / np.maximum(self.itl_s, 1e-12)
            return ttft + decodes * itl
        return ttft if name == "ttft_s" else itl

    def goodput_per_s(self, slo: Slo) -> FloatArray:
        """Requests per second of which every single one keeps every bound; none where overloaded."""
        share = goodput_share(self, slo)
        return np.where(self.saturated > 0, 0.0, self.requests_per_s * share)

    def violation(self, slo: Slo) -> FloatArray:
        """Worst latency over its bound, as a ratio: at most 1 holds, nan counts as broken.

        Saturated rows break any bound, the less the more of the load they sustain.
        """
        worst = np.zeros(len(self))
        for name, bound in slo.bounds.items():
            worst = np.maximum(worst, self.metric(name, slo.statistic_of(name)) / bound)
        overloaded = _OVERLOADED / np.maximum(self.requests_per_s, 1e-9)
        broken = np.where(np.isfinite(worst), worst, np.inf)
        return np.where(self.saturated > 0, overloaded, broken)


def concatenate(tables: list[Points]) -> Points:
    """Rows of all tables, in order."""
    return Points(**{f.name: np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(Points)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The deployment columns of a table, before they are broadcast against loads."""

    plan: FloatArray
    workers: FloatArray
    decode_plan: FloatArray
    decode_workers: FloatArray
    num_gpus: FloatArray
    engine_gpus: FloatArray
    kv_capacity_tokens: FloatArray
    usual: FloatArray


def flatten(layout: Layout, found: Outcomes) -> Points:
    """Rows of outcomes [layouts, loads]."""
    shape = found.ttft_s.shape

    def spread(value: FloatArray) -> FloatArray:
        column = value[:, None] if value.ndim == 1 else value
        return np.broadcast_to(column, shape).ravel().astype(np.float64)

    return Points(
        **{f.name: spread(getattr(layout, f.name)) for f in fields(Layout)},
        **{f.name: spread(getattr(found, f.name)) for f in fields(Outcomes)},
    )
