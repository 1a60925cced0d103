"""What a load offers: counts by protocol, traces under their own or another load, and its means."""

import json

import numpy as np
import pytest

from simkit.core.errors import InputError
from simkit.core.workload import Workload, mean_lengths
from simkit.formats.traces.read import TraceOptions
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.verbs.loads import LoadOptions, offered_load


def closed(**changes):
    return Workload(**{"isl_tokens": 1000, "osl_tokens": 100, "concurrency": 8, **changes})


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.jsonl"
    rows = [
        {"timestamp": 1000 * i, "input_length": 600 + i, "output_length": 10 + i, "hash_ids": [0, i + 1]}
        for i in range(20)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("workload", "options", "counted", "slots"),
    [
        (closed(requests_per_slot=10, length_spread=0.2), LoadOptions(), 80, 8),  # InferenceX
        (closed(), LoadOptions(), 160, 8),  # benchmark.sh
        (closed(), LoadOptions(requests=33, warmup=16), 33, 8),  # aiperf --request-count --warmup-...
        (closed(concurrency=1), LoadOptions(), 20, 1),
        (closed(concurrency=None, request_rate_per_s=2), LoadOptions(), 600, None),
        (closed(concurrency=None, request_rate_per_s=0.01), LoadOptions(), 20, None),
    ],
)
def test_counts(workload, options, counted, slots):
    load = offered_load(workload, options, seed=0)
    assert load.total == counted + options.warmup
    assert load.warmup == options.warmup
    assert load.concurrency == slots
    assert len(load.requests(0)) == load.total
    assert load.drained


def test_inferencex_lengths_are_the_closed_forms():
    load = offered_load(closed(requests_per_slot=1000, length_spread=0.2), LoadOptions(), seed=0)
    requests = load.requests(0)
    assert (requests.isl_tokens.min(), requests.isl_tokens.max()) == (800, 1000)
    means = mean_lengths(load.workload.isl_tokens, load.workload.osl_tokens, load.workload.length_spread)
    for drawn, mean in ((requests.isl_tokens, means.isl_tokens), (requests.osl_tokens, means.osl_tokens)):
        error = np.std(drawn) / np.sqrt(len(drawn))
        assert np.mean(drawn) == pytest.approx(float(mean), abs=4.5 * error)
    assert load.workload.requests_per_slot == 1000


def test_slots_without_a_request_do_not_count():
    workload = offered_load(closed(concurrency=100), LoadOptions(requests=40), seed=0).workload
    assert (workload.concurrency, workload.requests_per_slot) == (40, 1)


def test_lognormal_lengths_become_the_uniform_of_their_spread():
    workload = offered_load(closed(), LoadOptions(length_cv=0.2), seed=0).workload
    share = 1 - workload.length_spread / 2
    assert workload.osl_tokens * share == pytest.approx(100)
    assert workload.length_spread / np.sqrt(12) / share == pytest.approx(0.2)


def test_the_same_seed_gives_the_same_requests():
    options = LoadOptions(prefixes=SharedPrefixes(system_tokens=64, prefix_tokens=64, num_prefixes=3))
    load = offered_load(closed(length_spread=0.5), options, seed=0)
    one, two, other = load.requests(1), load.requests(1), load.requests(2)
    assert np.array_equal(one.isl_tokens, two.isl_tokens)
    assert np.array_equal(one.block_ids, two.block_ids)
    assert not np.array_equal(one.isl_tokens, other.isl_tokens)


def test_a_trace_at_its_own_times(trace):
    load = offered_load(Workload(), LoadOptions(trace=trace, warmup=4), seed=0)
    assert (load.total, load.warmup, load.concurrency, load.drained) == (20, 4, None, False)
    assert load.requests(0).arrival_s.tolist() == [float(i) for i in range(20)]
    assert load.workload.request_rate_per_s == pytest.approx(16 / 15)
    share = 1 - load.workload.length_spread / 2
    assert load.workload.isl_tokens * share == pytest.approx(np.mean(600 + np.arange(4, 20)))


def test_a_trace_faster_and_shorter(trace):
    options = LoadOptions(trace=trace, requests=5, trace_options=TraceOptions(speedup=4, start_s=2))
    assert offered_load(Workload(), options, seed=0).requests(0).arrival_s.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_a_trace_under_another_load(trace):
    load = offered_load(closed(concurrency=3), LoadOptions(trace=trace), seed=0)
    assert (load.concurrency, load.drained) == (3, True)
    requests = load.requests(0)
    assert not requests.arrival_s.any()
    assert requests.isl_tokens.tolist() == [600 + i for i in range(20)]
    rated = offered_load(closed(concurrency=None, request_rate_per_s=100), LoadOptions(trace=trace), seed=0)
    assert rated.requests(0).arrival_s[-1] == pytest.approx(0.2, rel=0.9)
    assert rated.workload.request_rate_per_s == 100


def test_chunks_of_a_trace_are_the_trace(trace):
    load = offered_load(Workload(), LoadOptions(trace=trace), seed=0)
    pieces = list(load.chunks(0, size=7))
    assert [len(piece) for piece in pieces] == [7, 7, 6]
    ids = np.concatenate([piece.block_ids for piece in pieces])
    assert np.array_equal(ids, load.requests(0).block_ids)


@pytest.mark.parametrize(
    ("workload", "options", "says"),
    [
        (Workload(), {}, "no load"),
        (closed(concurrency=2.5), {}, "whole slots"),
        (closed(length_spread=0.2), {"length_cv": 0.5}, "drop one"),
        (closed(), {"requests": 0}, "at least 1"),
        (closed(), {"warmup": -1}, "warm-up"),
        (closed(isl_tokens=100), {"prefixes": SharedPrefixes(system_tokens=100)}, "raise --isl"),
    ],
)
def test_what_makes_no_load(workload, options, says):
    with pytest.raises(InputError, match=says):
        offered_load(workload, LoadOptions(**options), seed=0)


def test_a_trace_that_is_all_warm_up(trace):
    with pytest.raises(InputError, match="all of them warm-up"):
        offered_load(Workload(), LoadOptions(trace=trace, warmup=20), seed=0)


def test_a_trace_without_its_times_cannot_be_faster(trace):
    with pytest.raises(InputError, match="--speedup"):
        offered_load(closed(), LoadOptions(trace=trace, trace_options=TraceOptions(speedup=2)), seed=0)
