"""Tables of a run: what was simulated, row by row, and the same bytes for the same run."""

import io
from dataclasses import fields

import numpy as np
import pytest

from simkit.formats.simulated import requests_parquet, timeline_csv
from simkit.sim.cluster import Samples
from simkit.sim.requests import RequestTimes
from simkit.sim.results.timeline import TimelineBuilder


@pytest.fixture
def times():
    whole = np.array([1, 2, 3], dtype=np.int64)
    return RequestTimes(
        sent_s=np.array([0.0, 0.5, 3.0]),
        start_s=np.array([0.25, 0.5, 3.0]),
        first_token_s=np.array([1.0, 1.0, 3.5]),
        finished_s=np.array([2.0, 1.0, 4.0]),
        isl_tokens=100 * whole,
        osl_tokens=np.array([5, 1, 2]),
        cached_tokens=np.array([0, 16, 0]),
        preemptions=np.array([0, 0, 1]),
        replica=np.array([0, 1, 0]),
    )


def test_a_row_a_request(times):
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(requests_parquet(times, warmup=1)))
    own = [field.name for field in fields(times)]
    assert list(frame.columns) == ["request", "counted", *own, "ttft_s", "itl_s", "e2e_s"]
    assert frame["request"].tolist() == [0, 1, 2]
    assert frame["counted"].tolist() == [False, True, True]
    for name in own:
        assert frame[name].tolist() == getattr(times, name).tolist()
    assert frame["ttft_s"].tolist() == [1.0, 0.5, 0.5]
    assert frame["e2e_s"].tolist() == [2.0, 0.5, 1.0]
    assert frame["itl_s"].isna().tolist() == [False, True, False]
    assert frame["itl_s"].iloc[0] == 0.25


def test_same_run_same_bytes(times):
    assert requests_parquet(times, 0) == requests_parquet(times, 0)
    assert requests_parquet(times, 0) != requests_parquet(times, 1)


def test_a_line_a_bin(times):
    builder = TimelineBuilder()
    builder.add(times)
    lines = timeline_csv(builder.timeline()).splitlines()
    assert lines[0].split(",")[0] == "time_s"
    width = float(lines[2].split(",")[0])
    assert len(lines) == 1 + int(4.0 / width) + 1
    queued = [float(line.split(",")[1]) for line in lines[1:]]
    assert sum(queued) * width == pytest.approx(0.25)
    assert lines[2].endswith(",")  # nothing was sent then: no mean TTFT


def test_the_cache_comes_last_where_it_was_sampled(times):
    builder = TimelineBuilder()
    builder.add(times)
    two = np.array([0.25, 0.5])
    samples = Samples(time_s=np.array([0.0, 3.0]), waiting=two, running=two, used_frac=two, idle_frac=two / 2)
    lines = timeline_csv(builder.timeline(), samples).splitlines()
    assert lines[0].endswith(",kv_used_frac,kv_idle_prefix_frac")
    assert lines[1].endswith(",0.25,0.125")
    assert lines[-1].endswith(",0.5,0.25")
