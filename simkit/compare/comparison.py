"""Predicted against measured: signed errors, intervals hit or missed, and whether the two are comparable."""

from collections.abc import Mapping
from dataclasses import dataclass

from simkit.core.errors import InputError, unknown_name
from simkit.core.estimate import Estimate
from simkit.core.measured import Run
from simkit.core.workload import Workload

METRICS = ("ttft", "itl", "e2e", "output_tokens_per_s")
_LOAD_TOLERANCE = 0.03  # lengths and load this far apart are not the same workload
_DELAY_SHARE = 0.05
_BUNDLED = 1.05  # chunks this much rarer than tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A predicted mean with its 90 % interval; seconds, or per second."""

    mean: float
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was predicted for one deployment under one load: bands by metric (see METRICS)."""

    workload: Workload
    bands: Mapping[str, Band]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric on both sides.

    error_frac is predicted/measured - 1: positive where the prediction is too high. inside says whether the
    measured mean lies in the interval; None where there is none. limit_frac is the error allowed; within is
    the verdict.
    """

    metric: str
    predicted: Band
    measured: float
    server: float | None
    error_frac: float
    inside: bool | None
    limit_frac: float | None
    within: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All metrics that both sides have; remarks say what limits the comparison."""

    rows: tuple[MetricRow, ...]
    remarks: tuple[str, ...]

    @property
    def within(self) -> bool:
        """Whether every metric is within its bound."""
        return bool(self.rows) and all(row.within for row in self.rows)


def predicted_of(estimate: Estimate, workload: Workload) -> Predicted:
    """The bands of an estimate."""
    latencies = {"ttft": estimate.ttft, "itl": estimate.itl, "e2e": estimate.e2e}
    bands = {name: Band(mean=v.mean_s, lo=v.lo_s, hi=v.hi_s) for name, v in latencies.items()}
    bands["output_tokens_per_s"] = Band(mean=estimate.output_tokens_per_s)
    return Predicted(workload=workload, bands=bands)


def compare(predicted: Predicted, run: Run, limits: Mapping[str, float] | None = None) -> Comparison:
    """Every metric on both sides.

    limits are allowed absolute errors by metric, as fractions; a metric without one must lie in its
    interval, and where it has none either it counts as within. Raises InputError when there is nothing to
    compare.
    """
    limits = limits or {}
    for name in limits:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    rows = [
        _row(name, predicted.bands[name], measured, run, limits.get(name))
        for name, measured in measured_means(run).items()
        if name in predicted.bands
    ]
    if not rows:
        raise InputError(
            f"{run.source.path}: no latency and no throughput to compare with; benchmark with streaming"
        )
    return Comparison(rows=tuple(rows), remarks=remarks(predicted.workload, run))


def measured_means(run: Run) -> dict[str, float]:
    """The means a run has, by metric."""
    found = {
        "ttft": run.ttft.mean_s,
        "itl": run.itl.mean_s,
        "e2e": run.e2e.mean_s,
        "output_tokens_per_s": run.output_tokens_per_s,
    }
    return {name: value for name, value in found.items() if value is not None and value > 0}


def _row(metric: str, band: Band, measured: float, run: Run, limit: float | None) -> MetricRow:
    error = band.mean / measured - 1.0
    inside = None if band.lo is None or band.hi is None else band.lo <= measured <= band.hi
    within = abs(error) <= limit if limit is not None else inside is not False
    side = run.server
    server = {"ttft": side.ttft_s, "itl": side.itl_s, "e2e": side.e2e_s}.get(metric) if side else None
    return MetricRow(
        metric=metric, predicted=band, measured=measured, server=server, error_frac=error, inside=inside,
        limit_frac=limit, within=within,
    )  # fmt: skip


def remarks(workload: Workload, run: Run) -> tuple[str, ...]:
    """What keeps the two sides from being the same question, and how far the client can be trusted."""
    return (*_load_remarks(workload, run), *_client_remarks(run), *run.notes)


def _load_remarks(workload: Workload, run: Run) -> list[str]:
    share = 1.0 - workload.length_spread / 2.0 if run.length_spread == 0 else 1.0
    pairs = {
        "ISL": (workload.isl_tokens * share, run.isl_tokens),
        "OSL": (workload.osl_tokens * share, run.osl_tokens),
        "concurrency": (workload.concurrency, run.concurrency),
        "request rate": (workload.request_rate_per_s, run.request_rate_per_s),
    }
    found = [
        f"{name} differs: {asked:g} predicted for, {got:g} measured"
        for name, (asked, got) in pairs.items()
        if asked and got and abs(got / asked - 1.0) > _LOAD_TOLERANCE
    ]
    if workload.concurrency and run.request_rate_per_s:
        found.append("predicted for a closed loop, measured under arrivals at a rate")
    if workload.request_rate_per_s and run.concurrency:
        found.append("predicted for arrivals at a rate, measured in a closed loop")
    return found


def _client_remarks(run: Run) -> list[str]:
    ttft, itl, icl = run.ttft.mean_s, run.itl.mean_s, run.icl.mean_s
    found = []
    if run.num_errors:
        found.append(f"{run.num_errors} of {run.num_requests + run.num_errors} requests failed")
    if not run.complete:
        found.append("the benchmark was cut off")
    if run.osl_off_frac is not None and abs(run.osl_off_frac) > _LOAD_TOLERANCE:
        found.append(f"output lengths are {run.osl_off_frac:+.0%} from those asked for")
    if ttft and run.client_delay_s and run.client_delay_s > _DELAY_SHARE * ttft:
        found.append(
            f"the client sent requests {run.client_delay_s * 1e3:,.0f} ms late on average: it is short of "
            "CPU, and TTFT is too high by an unknown part of that"
        )
    server = run.server.ttft_s if run.server else None
    if ttft and server and ttft > 1.1 * server:
        found.append(
            f"the server's own TTFT is {server * 1e3:,.0f} ms: the client and the network add "
            f"{(ttft - server) * 1e3:,.0f} ms"
        )
    if itl and icl and icl > _BUNDLED * itl:
        found.append(f"the server sends {icl / itl:.2f} tokens per chunk: compare ITL, not chunk gaps")
    return found
