"""The summary has AIPerf's names, units and statistics: compared with real exports where they are at hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from simkit.core.slo import Slo
from simkit.reports.aiperf_summary import aiperf_document, aiperf_metrics
from simkit.sim.requests import RequestTimes
from simkit.sim.results.summary import summarize

EXPORTS = Path(__file__).resolve().parents[2].parent / "shared" / "examples" / "aiperf"
# In AIPerf 0.13's own list of metrics (aiperf/metrics/types), but not in these runs' exports.
NOT_IN_THESE_RUNS = {
    "usage_prompt_cache_read_tokens",
    "goodput",
    "good_request_count",
    "good_request_fraction",
}


@pytest.fixture
def times():
    rng = np.random.default_rng(4)
    count = 300
    sent = np.cumsum(rng.exponential(0.1, count))
    start = sent + rng.exponential(0.05, count)
    first = start + rng.uniform(0.05, 0.2, count)
    return RequestTimes(
        sent_s=sent,
        start_s=start,
        first_token_s=first,
        finished_s=first + 63 * rng.uniform(0.009, 0.011, count),
        isl_tokens=np.full(count, 256),
        osl_tokens=np.full(count, 64),
        cached_tokens=np.zeros(count, dtype=np.int64),
        preemptions=np.zeros(count, dtype=np.int64),
        replica=np.zeros(count, dtype=np.int64),
    )


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="../shared is not there: no real AIPerf exports to compare")
@pytest.mark.parametrize("name", ["profile_export_aiperf_c1.json", "profile_export_aiperf_c16.json"])
def test_names_units_and_statistics_are_aiperfs(times, name):
    real = json.loads((EXPORTS / name).read_text())
    own = aiperf_document(summarize(times, Slo(ttft_s=0.2)), summarize(times))
    for key, value in own.items():
        if key in NOT_IN_THESE_RUNS or (key == "warmup_metrics"):
            continue
        assert key in real, key
        if isinstance(value, dict):
            assert value["unit"] == real[key]["unit"], key
            assert set(value) == set(real[key]), key
    assert own["schema_version"] == real["schema_version"]
    for key, value in own["warmup_metrics"].items():
        assert key in NOT_IN_THESE_RUNS or value["unit"] == real.get(key, value)["unit"]


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="../shared is not there: no real AIPerf exports to compare")
def test_a_real_record_gives_aiperfs_own_figures():
    """Two records of AIPerf, put in as times, come out with the values that AIPerf derived from them."""
    lines = (EXPORTS / "profile_export_2records.jsonl").read_text().splitlines()
    for line in lines:
        metrics = {name: item["value"] for name, item in json.loads(line)["metrics"].items()}
        first = metrics["time_to_first_token"] / 1e3
        one = RequestTimes(
            sent_s=np.zeros(1),
            start_s=np.zeros(1),
            first_token_s=np.array([first]),
            finished_s=np.array([metrics["request_latency"] / 1e3]),
            isl_tokens=np.array([metrics["input_sequence_length"]]),
            osl_tokens=np.array([metrics["output_sequence_length"]]),
            cached_tokens=np.zeros(1, dtype=np.int64),
            preemptions=np.zeros(1, dtype=np.int64),
            replica=np.zeros(1, dtype=np.int64),
        )
        own = aiperf_metrics(summarize(one))
        compared = [name for name in own if name in metrics]
        assert {"inter_token_latency", "output_token_throughput_per_user", "decode_duration"} <= set(compared)
        for name in compared:
            assert own[name]["avg"] == pytest.approx(metrics[name], rel=1e-9), name


def test_units_are_aiperfs_and_values_ours(times):
    summary = summarize(times, Slo(ttft_s=0.2, itl_s=0.0105))
    own = aiperf_metrics(summary)
    ttft_ms = 1e3 * times.ttft_s
    assert own["time_to_first_token"]["unit"] == "ms"
    assert own["time_to_first_token"]["p99"] == pytest.approx(np.percentile(ttft_ms, 99), rel=1e-12)
    assert own["time_to_first_token"]["std"] == pytest.approx(np.std(ttft_ms), rel=1e-12)
    assert own["inter_token_latency"]["avg"] == pytest.approx(1e3 * np.mean(times.itl_s), rel=1e-12)
    duration = times.finished_s.max() - times.sent_s.min()
    assert own["benchmark_duration"] == {"unit": "sec", "avg": pytest.approx(duration)}
    assert own["request_throughput"]["avg"] == pytest.approx(300 / duration)
    assert own["output_token_throughput"]["avg"] == pytest.approx(300 * 64 / duration)
    assert own["total_token_throughput"]["avg"] == pytest.approx(300 * 320 / duration)
    good = np.sum((times.ttft_s <= 0.2) & (times.itl_s <= 0.0105))
    assert 0 < good < 300
    assert own["good_request_count"]["avg"] == good
    assert own["goodput"] == {"unit": "requests/sec", "avg": pytest.approx(good / duration)}


def test_without_bounds_there_is_no_goodput(times):
    assert not {"goodput", "good_request_count"} & set(aiperf_metrics(summarize(times)))
