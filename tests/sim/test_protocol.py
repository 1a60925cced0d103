"""Warm-up and steady state, around a simulator simple enough to follow by hand."""

import heapq

import numpy as np
import pytest

from simkit.sim.load.arrivals import ClosedLoop, OpenLoop, SyntheticLoad, chunks
from simkit.sim.load.lengths import FixedLength, UniformLength
from simkit.sim.load.protocol import Refusals, first_requests, held_back, settled, warmup_end_s
from simkit.sim.requests import RequestTimes, joined, part, times_part


def one_server(concurrency=None):
    """Requests one after the other, a millisecond a token; a closed loop where there are slots."""

    def simulate(requests):
        slots, free, sent, start = [0.0] * (concurrency or 0), 0.0, [], []
        for index in range(len(requests)):
            now = float(requests.arrival_s[index])
            if concurrency:
                now = max(now, heapq.heappop(slots))
            sent.append(now)
            start.append(max(now, free))
            free = start[-1] + 1e-3 * requests.osl_tokens[index]
            if concurrency:
                heapq.heappush(slots, free)
        start = np.array(start)
        none = np.zeros(len(requests), dtype=np.int64)
        return RequestTimes(
            sent_s=np.array(sent),
            start_s=start,
            first_token_s=start + 1e-3,
            finished_s=start + 1e-3 * requests.osl_tokens,
            isl_tokens=requests.isl_tokens,
            osl_tokens=requests.osl_tokens,
            cached_tokens=none,
            preemptions=none,
            replica=none,
        )

    return simulate


def offered(arrivals, count=40, warmup=10):
    load = SyntheticLoad(
        arrivals=arrivals,
        isl=FixedLength(tokens=10),
        osl=UniformLength(low_tokens=50, high_tokens=150),
        count=count,
        warmup=warmup,
    )
    return joined(list(chunks(load, np.random.default_rng(8))))


def after_warmup(run, requests, warmup):
    (moved,) = held_back([requests], warmup, warmup_end_s(run, requests, warmup))
    return moved


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_the_burst_comes_after_the_last_answer_of_the_warm_up(concurrency):
    run, requests = one_server(concurrency), offered(ClosedLoop(concurrency=concurrency))
    times = run(after_warmup(run, requests, 10))
    end_s = times.finished_s[:10].max()
    burst = times.sent_s[10 : 10 + concurrency]
    assert np.all(burst == end_s)  # every slot at once, into empty engines
    assert times.start_s[10] == end_s
    alone = run(offered(ClosedLoop(concurrency=concurrency), count=10, warmup=0))
    assert np.array_equal(alone.finished_s, times.finished_s[:10])


def test_at_a_rate_the_gaps_stay():
    run, requests = one_server(), offered(OpenLoop(rate_per_s=5))
    moved = after_warmup(run, requests, 10)
    gap = moved.arrival_s[10] - run(requests).finished_s[:10].max()
    assert gap == pytest.approx(requests.arrival_s[10] - requests.arrival_s[9])
    assert np.diff(moved.arrival_s[10:]) == pytest.approx(np.diff(requests.arrival_s[10:]))


@pytest.mark.parametrize("size", [1, 3, 10, 11, 50])
def test_pieces_are_held_back_as_the_whole(size):
    requests = offered(OpenLoop(rate_per_s=5))
    pieces = [part(requests, start, min(start + size, 50)) for start in range(0, 50, size)]
    (whole,) = held_back([requests], 10, 7.0)
    assert np.array_equal(joined(list(held_back(pieces, 10, 7.0))).arrival_s, whole.arrival_s)
    assert len(first_requests(iter(pieces), 10)) == -(-10 // size) * size
    assert len(first_requests(iter(pieces), 99)) == 50


def test_engines_refuse_what_they_cannot_hold():
    from simkit.sim.cluster import Cluster, EnginePool, Handover
    from simkit.sim.policy import SchedulerPolicy

    def pool(tokens):
        return EnginePool(table=None, policy=SchedulerPolicy(kv_capacity_tokens=tokens, page_tokens=16))

    moved = Handover(tokens=np.array([1.0, 2.0]), time_s=np.zeros(2))
    requests = offered(ClosedLoop(concurrency=2))  # 10 + 50 to 150 tokens
    lengths = requests.isl_tokens + requests.osl_tokens
    for cluster, limit, longest in (
        (Cluster(pools=(pool(128 + 15),)), None, 128),  # whole pages
        (Cluster(pools=(pool(1 << 20),)), 100, 100),
        (Cluster(pools=(pool(16), pool(96)), handover=moved), None, 96),  # the first holds prompts only
    ):
        refusals = Refusals(cluster, limit)
        passed = refusals.pass_on(requests)
        assert 0 < refusals.count < 50
        assert refusals.count == np.sum(lengths > longest) == 50 - len(passed)
        assert np.array_equal(passed.osl_tokens, requests.osl_tokens[lengths <= longest])
    assert len(Refusals(Cluster(pools=(pool(16), pool(8)), handover=moved)).pass_on(requests)) == 0


def test_never_more_in_flight_than_slots():
    run, requests = one_server(4), offered(ClosedLoop(concurrency=4))
    times = run(after_warmup(run, requests, 10))
    for moment in times.sent_s:
        assert np.sum((times.sent_s <= moment) & (times.finished_s > moment)) <= 4


def test_the_steady_part_leaves_out_one_round_at_either_end():
    times = one_server(4)(offered(ClosedLoop(concurrency=4), warmup=0))
    assert settled(times, 4) == (4, 36)
    assert settled(times, 11) == (0, 0)
    assert settled(times, None) == (4, 36)
    assert settled(times_part(times, 0, 0), None) == (0, 0)
