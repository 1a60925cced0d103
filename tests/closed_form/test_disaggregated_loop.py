"""Closed-form loops of separate prefill and decode pools."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.parallel import ParallelPlan
from simkit.closed_form import disaggregated_loop
from simkit.closed_form.aggregated_loop import Host, Procedure

ROUNDING = 1e-9
BISECTION = 1e-6  # 40 halvings of at most a thousand sequences
NEARLY_FULL = 0.995  # the share of its capacity at which a prefill pool is held

NO_HOST = Host(request_s=0.0)
STEADY = Procedure()


def closed(pools, concurrency, lengths, procedure=STEADY, host=NO_HOST):
    return disaggregated_loop.closed_loop(
        pools, np.atleast_2d(np.asarray(concurrency, float)), lengths, procedure, host
    )


def opened(pools, rate, lengths, host=NO_HOST):
    return disaggregated_loop.open_loop(pools, np.atleast_2d(np.asarray(rate, float)), lengths, host)


prefills = st.floats(1e-3, 2)
decodes = st.tuples(st.floats(1e-3, 0.05), st.floats(0, 1e-3))
outputs = st.integers(2, 2000)
workers = st.integers(1, 16)
loads = st.floats(1, 3000)
pairs = st.fixed_dictionaries(
    {"prefill": prefills, "decode": decodes, "prefill_workers": workers, "decode_workers": workers}
)
procedures = st.one_of(st.just(STEADY), st.builds(Procedure, requests_per_slot=st.floats(1, 50)))


def test_one_request_alone(pools_of, lengths_of):
    # 10 ms outside, 100 ms of prefill, 20 ms of transfer, then 10.1 ms a token; a wait of (next to) none
    # as it keeps the prefill engine busy for 0.1 of 1.14 s: M/D/1 would have it wait 5 ms behind itself
    loop = closed(pools_of(transfer=0.02), 1, lengths_of(1000, 101), host=Host(request_s=0.01))
    queueing_behind_itself = 0.006
    assert loop.ttft_s == pytest.approx(0.13, abs=queueing_behind_itself)
    assert loop.itl_s == pytest.approx(0.0101)


@given(concurrency=loads, pair=pairs, osl=outputs, procedure=procedures)
def test_littles_law(pools_of, lengths_of, concurrency, pair, osl, procedure):
    loop = closed(pools_of(transfer=0.01, **pair), concurrency, lengths_of(1000, osl), procedure)
    residence = loop.ttft_s + (osl - 1) * loop.itl_s
    assert loop.requests_per_s * residence == pytest.approx(concurrency, rel=ROUNDING)


@given(concurrency=loads, pair=pairs, osl=outputs, procedure=procedures)
def test_no_pool_exceeds_its_capacity(pools_of, lengths_of, concurrency, pair, osl, procedure):
    """x prefill engines finish x/p prompts per second; y decode engines y*B/(t(B)*(osl-1)) requests."""
    loop = closed(pools_of(max_seqs=200.0, **pair), concurrency, lengths_of(1000, osl), procedure)
    rate, step = loop.requests_per_s[0, 0], pair["decode"][0] + 200 * pair["decode"][1]
    assert rate <= pair["prefill_workers"] / pair["prefill"] * (1 + BISECTION)
    assert rate <= pair["decode_workers"] * 200 / (step * (osl - 1)) * (1 + BISECTION)
    assert loop.batch <= 200


def test_the_slower_pool_decides(pools_of, lengths_of):
    lengths = lengths_of(1000, 101)
    # one prefill engine: 10 prompts per second; with many requests in flight nearly all of it is used
    prefill_bound = closed(pools_of(decode_workers=16), 1000, lengths)
    assert prefill_bound.requests_per_s == pytest.approx(10 * NEARLY_FULL, rel=1e-3)
    # one decode engine of at most 16 sequences: 16 / (100 * 11.6 ms) = 13.8 per second
    decode_bound = closed(pools_of(prefill_workers=16, max_seqs=16.0), 1000, lengths)
    assert decode_bound.requests_per_s == pytest.approx(16 / (100 * 0.0116), rel=1e-3)


def test_a_full_prefill_pool_does_not_slow_decoding(pools_of, lengths_of):
    """Requests beyond what prefill delivers wait for prefill; the decode batch is what the rate sustains."""
    loop = closed(pools_of(), [50, 200, 800], lengths_of(1000, 101))
    decoding = loop.requests_per_s * 100 * loop.itl_s  # Little's law for the decode pool, one lane
    assert decoding == pytest.approx(loop.batch, rel=0.02)
    assert loop.itl_s[0, 2] == pytest.approx(loop.itl_s[0, 0], rel=0.02)


@given(concurrency=loads, pair=pairs, more=workers, osl=outputs)
def test_more_prefill_workers_never_raise_ttft(pools_of, lengths_of, concurrency, pair, more, osl):
    wider = {**pair, "prefill_workers": pair["prefill_workers"] + more}
    for procedure in (STEADY, Procedure(requests_per_slot=1), Procedure(requests_per_slot=10)):
        few, many = (
            closed(pools_of(**row), concurrency, lengths_of(1000, osl), procedure) for row in (pair, wider)
        )
        assert many.ttft_s <= few.ttft_s * (1 + BISECTION)
        if procedure is STEADY:
            assert many.requests_per_s >= few.requests_per_s * (1 - BISECTION)


@given(low=loads, more=st.floats(0, 1000), pair=pairs, osl=outputs)
def test_more_requests_in_flight_never_finish_fewer(pools_of, lengths_of, low, more, pair, osl):
    loop = closed(pools_of(**pair), [low, low + more], lengths_of(1000, osl))
    assert loop.requests_per_s[0, 1] >= loop.requests_per_s[0, 0] * (1 - BISECTION)
    assert loop.itl_s[0, 1] >= loop.itl_s[0, 0] * (1 - BISECTION)


def test_waiting_for_one_server_is_m_d_1(pools_of):
    # rho = 0.5: half a service; rho = 0.9: 4.5 services
    found = disaggregated_loop.prefill_wait_s(pools_of(), np.array([[5.0, 9.0]]))
    assert found == pytest.approx(np.array([[0.05, 0.45]]))


def test_more_servers_share_the_queue(pools_of):
    """At the same utilisation many servers wait less than one."""
    one = disaggregated_loop.prefill_wait_s(pools_of(), np.array([[8.0]]))
    eight = disaggregated_loop.prefill_wait_s(pools_of(prefill_workers=8), np.array([[64.0]]))
    assert eight < one / 4


def test_random_arrivals_by_hand(pools_of, lengths_of):
    # 5 per second on one prefill engine: 50 ms of waiting, 100 of prefill, 20 of transfer;
    # decode: B = 5 * 100 * (0.01 + 1e-4 * B) gives 5 / 0.95
    loop = opened(pools_of(transfer=0.02), 5, lengths_of(1000, 101))
    assert loop.ttft_s == pytest.approx(0.17)
    assert loop.batch == pytest.approx(5 / 0.95, rel=BISECTION)
    assert loop.itl_s == pytest.approx(0.01 + 1e-4 * 5 / 0.95)
    assert not loop.saturated.any()


@given(x=workers, y=workers, load=st.floats(1 + ROUNDING, 10), osl=outputs)
def test_rates_beyond_either_pool_saturate(pools_of, lengths_of, x, y, load, osl):
    pools = pools_of(prefill_workers=x, decode_workers=y, max_seqs=100.0)
    decode_limit = y * 100 / (0.02 * (osl - 1))
    assert opened(pools, load * x / 0.1, lengths_of(1000, osl)).saturated.all()
    assert opened(pools, load * decode_limit, lengths_of(1000, osl)).saturated.all()


def test_the_opening_burst_waits_for_half_of_the_prompts(pools_of, lengths_of):
    # 20 requests at once on two engines of 100 ms: the last starts after 0.9 s, the mean after 0.45
    loop = closed(pools_of(prefill_workers=2), 20, lengths_of(1000, 1001), Procedure(requests_per_slot=1))
    assert loop.waiting_s == pytest.approx(0.45, rel=0.01)


def test_at_a_batch_the_loops_agree(pools_of, lengths_of):
    """Holding a batch takes as many requests in flight as the closed loop says, and the other way round."""
    pools, lengths = pools_of(prefill_workers=4, decode_workers=2, transfer=0.02), lengths_of(1000, 501)
    held, in_flight = disaggregated_loop.at_decode_batch(
        pools, np.array([[1.0, 8.0, 40.0]]), lengths, NO_HOST
    )
    loop = closed(pools, in_flight, lengths)
    assert loop.batch == pytest.approx(held.batch, rel=BISECTION)
    assert loop.ttft_s == pytest.approx(held.ttft_s, rel=BISECTION)
    assert loop.requests_per_s == pytest.approx(held.requests_per_s, rel=BISECTION)


def test_a_batch_that_prefill_cannot_feed_is_marked(pools_of, lengths_of):
    held, _ = disaggregated_loop.at_decode_batch(
        pools_of(), np.array([[1.0, 900.0]]), lengths_of(1000, 101), NO_HOST
    )
    assert held.saturated.tolist() == [[False, True]]


def test_sizes_count_lanes_and_gpus(pools_of):
    pools = pools_of(prefill_workers=3, decode_workers=2, plan=ParallelPlan(tp=2, attn_dp=4, ep=8))
    assert pools.prefill_servers.tolist() == [12]
    assert pools.decode_lanes.tolist() == [8]
    assert pools.num_gpus.tolist() == [40]
    assert pools.prefill_rate_per_s.tolist() == [120]


def test_a_request_waits_for_a_place_and_its_first_token_with_it(pools_of, lengths_of):
    # two decode engines of eight places, 100 steps of 10.8 ms: sixteen of 64 in flight decode
    pools = pools_of(prefill_workers=16, decode_workers=2, max_seqs=8.0)
    loop = closed(pools, 64, lengths_of(1000, 101))
    in_decode = 100 * 0.0108
    assert loop.ttft_s == pytest.approx((64 / 16 - 1) * in_decode, rel=1e-3)
    assert loop.room_s == pytest.approx(loop.waiting_s, rel=0.01)


@given(concurrency=loads, pair=pairs, osl=outputs)
def test_all_waiting_is_for_prefill_or_for_a_place(pools_of, lengths_of, concurrency, pair, osl):
    loop = closed(pools_of(max_seqs=20.0, **pair), concurrency, lengths_of(1000, osl))
    assert loop.queue_s + loop.room_s == pytest.approx(loop.waiting_s)
    assert (loop.queue_s >= -ROUNDING).all() and (loop.room_s >= 0).all()


def test_an_unsure_prefill_rate_leaves_no_cliff(pools_of, lengths_of):
    """One prefill engine of ten prompts per second: it is full with a dozen requests in flight."""
    lengths, loads = lengths_of(1000, 101), [4, 10, 12, 14, 16, 400]
    sure = closed(pools_of(), loads, lengths).ttft_s[0]
    unsure = closed(replace(pools_of(), prefill_log_sd=0.3), loads, lengths).ttft_s[0]
    assert unsure[0] == pytest.approx(sure[0], rel=0.1)  # far below the limit
    assert unsure[-1] == pytest.approx(sure[-1], rel=0.05)  # far beyond it: the mean rate is the same
    steps = [np.max(np.diff(np.log(ttft[1:-1]))) for ttft in (sure, unsure)]
    assert steps[1] < steps[0]


@given(low=loads, more=st.floats(0, 1000), pair=pairs, osl=outputs)
def test_unsure_of_prefill_more_requests_never_wait_less(pools_of, lengths_of, low, more, pair, osl):
    pools = replace(pools_of(**pair), prefill_log_sd=0.3)
    loop = closed(pools, [low, low + more], lengths_of(1000, osl))
    assert loop.ttft_s[0, 1] >= loop.ttft_s[0, 0] * (1 - BISECTION)
