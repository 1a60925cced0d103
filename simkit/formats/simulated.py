"""Tables of a simulated run: a row a request, a row a bin of time."""

import io
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from simkit.sim.cluster import Samples
from simkit.sim.requests import RequestTimes
from simkit.sim.results.timeline import Timeline

if TYPE_CHECKING:
    import pyarrow


def requests_table(times: RequestTimes, warmup: int, first: int = 0) -> "pyarrow.Table":
    """One row a request in the order of sending: the fields of RequestTimes, SI, then ttft_s, itl_s, e2e_s.

    request counts from 0; counted is false for the first `warmup` requests of the run, of which `times`
    begins with number `first`. itl_s is null for requests of one token.
    """
    import pyarrow as pa

    number = np.arange(first, first + len(times), dtype=np.int64)
    own = {field.name: getattr(times, field.name) for field in fields(times)}
    itl_s = times.itl_s
    return pa.table(
        {
            "request": number,
            "counted": number >= warmup,
            **own,
            "ttft_s": times.ttft_s,
            "itl_s": pa.array(itl_s, mask=np.isnan(itl_s)),
            "e2e_s": times.finished_s - times.sent_s,
        }
    )


def requests_parquet(times: RequestTimes, warmup: int) -> bytes:
    """The table as parquet; the same requests give the same bytes."""
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(requests_table(times, warmup), stream, compression="zstd")
    return stream.getvalue()


def timeline_csv(timeline: Timeline, samples: Samples | None = None) -> str:
    """A line a bin, its beginning first; empty where there is no mean.

    With samples, the shares of the cache that sequences use and that only keeps prefixes come last.
    """
    columns = dict(timeline.columns())
    if samples is not None:
        columns["kv_used_frac"] = timeline.held(samples.time_s, samples.used_frac)
        columns["kv_idle_prefix_frac"] = timeline.held(samples.time_s, samples.idle_frac)
    lines = [",".join(columns)]
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        lines.append(",".join("" if np.isnan(value) else f"{value:.10g}" for value in row))
    return "\n".join(lines) + "\n"
