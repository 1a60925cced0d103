"""Closed-form loops of one aggregated lane: hand-worked cases and laws of queues."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.closed_form import aggregated_loop
from simkit.closed_form.aggregated_loop import Host, Procedure

ROUNDING = 1e-9
FIXED_POINT = 1e-2  # the open loop's batch is found by damped iteration

NEXT_STEP = 1  # a prompt shares its step with those who decode
NO_HOST = Host(request_s=0.0)
STEADY = Procedure()


def closed(times, concurrency, lengths, procedure=STEADY, host=NO_HOST):
    return aggregated_loop.closed_loop(
        times, np.atleast_2d(np.asarray(concurrency, float)), lengths, procedure, host
    )


def opened(times, rate, lengths, host=NO_HOST):
    return aggregated_loop.open_loop(times, np.atleast_2d(np.asarray(rate, float)), lengths, host)


prefills = st.floats(1e-3, 5)
decodes = st.tuples(st.floats(1e-3, 0.1), st.floats(0, 1e-2))
outputs = st.integers(2, 4000)
engines = st.fixed_dictionaries({"prefill": prefills, "decode": decodes})
caps = st.integers(1, 600).map(float)
capped = st.fixed_dictionaries({"prefill": prefills, "decode": decodes, "max_seqs": caps})
procedures = st.one_of(
    st.just(STEADY),
    st.builds(Procedure, requests_per_slot=st.floats(1, 50), length_spread=st.floats(0, 0.5)),
)


def test_one_request_alone(engine_of, lengths_of):
    # 10 ms outside, 100 ms of prefill, then 10.1 ms a token: nobody waits, nobody stalls
    loop = closed(engine_of(), 1, lengths_of(1000, 101), host=Host(request_s=0.01))
    assert loop.ttft_s == pytest.approx(0.11)
    assert loop.itl_s == pytest.approx(0.0101)
    assert loop.waiting_s == 0
    assert loop.requests_per_s == pytest.approx(1 / (0.11 + 100 * 0.0101))


def test_less_than_one_request_at_a_time(engine_of, lengths_of):
    """An idle lane serves each request as if it were alone, and finishes proportionally fewer."""
    whole = closed(engine_of(), 1, lengths_of(1000, 100))
    third = closed(engine_of(), 1 / 3, lengths_of(1000, 100))
    assert third.ttft_s == whole.ttft_s
    assert third.itl_s == whole.itl_s
    assert third.requests_per_s == pytest.approx(whole.requests_per_s / 3)


@given(concurrency=st.floats(1, 500), engine=engines, osl=outputs, procedure=procedures)
def test_littles_law(engine_of, lengths_of, concurrency, engine, osl, procedure):
    """Requests in flight = throughput * time each stays, where the cache does not limit."""
    loop = closed(engine_of(**engine), concurrency, lengths_of(1000, osl), procedure)
    residence = loop.ttft_s + (osl - 1) * loop.itl_s
    assert loop.requests_per_s * residence == pytest.approx(concurrency, rel=ROUNDING)


@given(concurrency=st.floats(1, 5000), engine=capped, osl=outputs)
def test_littles_law_with_a_full_cache(engine_of, lengths_of, concurrency, engine, osl):
    loop = closed(engine_of(**engine), concurrency, lengths_of(1000, osl))
    residence = loop.ttft_s + (osl - 1) * loop.itl_s
    assert loop.requests_per_s * residence == pytest.approx(concurrency, rel=ROUNDING)
    assert loop.batch <= engine["max_seqs"]


@given(concurrency=st.floats(1, 1000), engine=capped, osl=outputs)
def test_an_engine_does_one_thing_at_a_time(engine_of, lengths_of, concurrency, engine, osl):
    """Each request costs one prefill and its share of osl - 1 steps: that bounds the throughput."""
    loop = closed(engine_of(**engine), concurrency, lengths_of(1000, osl))
    step = engine["decode"][0] + engine["decode"][1] * loop.batch
    engine_time = engine["prefill"] + (osl - 1) * step / loop.batch
    assert loop.requests_per_s * engine_time <= 1 + ROUNDING


def test_a_full_cache_queues_linearly(engine_of, lengths_of):
    """Beyond the cap each further request waits for one more departure; throughput stands still."""
    loop = closed(engine_of(max_seqs=8.0), [8, 16, 24, 32, 40], lengths_of(1000, 100))
    assert np.ptp(loop.requests_per_s) == pytest.approx(0, abs=1e-12)
    gaps = np.diff(loop.ttft_s[0])
    assert gaps == pytest.approx(8 / loop.requests_per_s[0, 0])
    assert np.ptp(loop.itl_s) == pytest.approx(0, abs=1e-12)


@given(low=st.integers(1, 800), more=st.integers(0, 800), engine=capped, osl=outputs)
def test_more_requests_in_flight_never_wait_less(engine_of, lengths_of, low, more, engine, osl):
    loop = closed(engine_of(**engine), [low, low + more], lengths_of(1000, osl))
    assert loop.ttft_s[0, 1] >= loop.ttft_s[0, 0] * (1 - ROUNDING)
    assert loop.itl_s[0, 1] >= loop.itl_s[0, 0] * (1 - ROUNDING)
    # A prompt that finds others decoding waits for half a step, which a lone one does not.
    half_step = 0.5 * (engine["decode"][0] + engine["decode"][1] * loop.batch[0, 1])
    residence = loop.batch[0, 1] / loop.requests_per_s[0, 1]
    assert loop.requests_per_s[0, 1] >= loop.requests_per_s[0, 0] * (1 - half_step / residence - ROUNDING)


def test_the_opening_burst_by_hand(engine_of, lengths_of):
    # Eight requests at once, one each: the last waits for seven prefills of 100 ms, the mean for 3.5
    step = 0.01
    loop = closed(engine_of(decode=(step, 0.0)), 8, lengths_of(1000, 100), Procedure(requests_per_slot=1))
    assert loop.waiting_s == pytest.approx(3.5 * (0.1 + step) + NEXT_STEP * step)  # each in a step of its own
    # and everybody's prompts stall everybody's decoding: 7 prefills, less those
    # that come while it waits itself
    assert 0.6 < (loop.itl_s - step) * 99 < 0.7


def test_prompts_that_share_a_step_burst_faster(engine_of, lengths_of):
    times = engine_of(burst=0.05, decode=(0.01, 0.0))
    loop = closed(times, 8, lengths_of(1000, 100), Procedure(requests_per_slot=1))
    assert loop.waiting_s == pytest.approx(3.5 * 0.06 + NEXT_STEP * 0.01)


@pytest.mark.parametrize("wave", [0.0, 0.3, 1.0])
def test_the_burst_is_forgotten_over_many_requests_of_different_length(engine_of, lengths_of, wave):
    times, lengths = engine_of(), lengths_of(1000, 1000)
    host = Host(request_s=0.0, wave_frac=wave)

    def ttft(waves):
        procedure = STEADY if waves is None else Procedure(requests_per_slot=waves, length_spread=0.2)
        return float(closed(times, 8, lengths, procedure, host).ttft_s[0, 0])

    found = [ttft(waves) for waves in (1, 2, 5, 20, 60)]
    assert all(later < earlier for earlier, later in pairwise(found))
    assert found[-1] >= ttft(None)


def test_requests_of_equal_length_wait_for_those_of_their_step(engine_of, lengths_of):
    # four prompts share a step: each waits for the three others; of different length they do not meet
    host = Host(request_s=0.0, wave_frac=1.0)
    times, lengths = engine_of(together=4.0, decode=(0.01, 0.0)), lengths_of(1000, 1000)

    def waiting(spread):
        procedure = Procedure(requests_per_slot=1e9, length_spread=spread)
        return closed(times, 8, lengths, procedure, host).waiting_s

    assert waiting(0.0) == pytest.approx(0.3 + NEXT_STEP * 0.01)
    assert waiting(0.2) < 0.1


def test_a_burst_queues_at_the_one_process_all_requests_pass(engine_of, lengths_of):
    # 250 ms a request at the entrance beside 100 ms of prefill: the mean of eight waits for 3.5 of each
    host = Host(request_s=0.0, serial_s=0.25)
    times = engine_of(decode=(0.01, 0.0))
    loop = closed(times, 8, lengths_of(1000, 100), Procedure(requests_per_slot=1), host)
    assert loop.waiting_s == pytest.approx(3.5 * (0.25 + 0.1 + 0.01) + NEXT_STEP * 0.01)


def test_steps_before_a_prompt_is_looked_at_by_hand(engine_of, lengths_of):
    # 20 ms a step, nobody's prompts in the way: two steps to be admitted, half of ten between two looks,
    # three held back, and the one its prompt shares
    times, lengths = engine_of(prefill=1e-9, decode=(0.02, 0.0), together=1e6), lengths_of(1000, 100)
    host = Host(request_s=0.0, admission_steps=2.0, poll_steps=10.0, hold_steps=3.0)
    assert closed(times, 8, lengths, host=host).ttft_s == pytest.approx((2 + 5 + 3 + NEXT_STEP) * 0.02)
    assert closed(times, 1, lengths, host=host).ttft_s == pytest.approx(0, abs=1e-6)  # nobody decodes


def test_the_first_request_of_a_slot_queues_half(engine_of, lengths_of):
    """While the slots fill, the queue for the cache is half of what it will be."""
    times, lengths = engine_of(max_seqs=8.0), lengths_of(1000, 100)

    def queue(procedure):
        return closed(times, 80, lengths, procedure).ttft_s - closed(times, 8, lengths, procedure).ttft_s

    one, two = queue(Procedure(requests_per_slot=1)), queue(Procedure(requests_per_slot=2))
    residence = 8 / closed(times, 8, lengths, Procedure(requests_per_slot=1)).requests_per_s
    assert one == pytest.approx(0.5 * 9 * residence)
    assert two > one


def test_random_arrivals_by_hand(engine_of, lengths_of):
    # M/D/1: at 5 requests per second of 100 ms each the engine prefills half of the time and a
    # request waits half a prefill; decode steps take twice as long
    loop = opened(engine_of(decode=(0.01, 0.0)), 5, lengths_of(1000, 2))
    assert loop.waiting_s == pytest.approx(0.05 + loop.batch * 0.01)  # and the step it shares with others
    assert loop.itl_s == pytest.approx(0.02)
    assert loop.prefill_share == pytest.approx(0.5)


@given(prefill=prefills, load=st.floats(1 + ROUNDING, 10), osl=outputs)
def test_more_prompts_than_there_is_time_saturate(engine_of, lengths_of, prefill, load, osl):
    assert opened(engine_of(prefill=prefill), load / prefill, lengths_of(1000, osl)).saturated.all()


def test_light_loads_do_not_saturate(engine_of, lengths_of):
    loop = opened(engine_of(), [1e-6, 0.1, 1.0], lengths_of(1000, 100), Host(request_s=0.01))
    assert not loop.saturated.any()
    assert loop.ttft_s[0, 0] == pytest.approx(0.11, rel=1e-3)
    assert loop.itl_s[0, 0] == pytest.approx(0.0101, rel=1e-3)


def test_more_sequences_than_fit_saturate(engine_of, lengths_of):
    # 1 request per second that decodes for at least 99 * 10 ms / 0.9 keeps about 1.1 in flight
    assert opened(engine_of(max_seqs=1.0), 1, lengths_of(1000, 100)).saturated.all()
    assert not opened(engine_of(max_seqs=4.0), 1, lengths_of(1000, 100)).saturated.any()


@given(share=st.floats(0.01, 0.8), engine=engines, osl=outputs)
def test_littles_law_under_random_arrivals(engine_of, lengths_of, share, engine, osl):
    """The decode batch is the rate times the time in decode, up to 80 % of what the engine can do."""
    step = engine["decode"][0] + 500 * engine["decode"][1]
    limit = 1 / (engine["prefill"] + (osl - 1) * step / 500)
    loop = opened(engine_of(max_seqs=500.0, **engine), share * limit, lengths_of(1000, osl))
    decoding = loop.requests_per_s * (osl - 1) * loop.itl_s
    assert not loop.saturated.any()
    assert decoding == pytest.approx(loop.batch, rel=FIXED_POINT)


@given(rate=st.floats(0.01, 5), more=st.floats(1, 2), prefill=st.floats(1e-3, 0.09), osl=outputs)
def test_a_higher_rate_is_never_faster(engine_of, lengths_of, rate, more, prefill, osl):
    loop = opened(engine_of(prefill=prefill), [rate, rate * more], lengths_of(1000, osl))
    assert loop.ttft_s[0, 1] >= loop.ttft_s[0, 0] * (1 - ROUNDING)
    assert loop.itl_s[0, 1] >= loop.itl_s[0, 0] * (1 - ROUNDING)


def test_host_time_may_differ_by_row(engine_of, lengths_of):
    times = engine_of(prefill=1e-9, decode=(0.01, 0.0), together=1e6)
    slow = closed(times, 4, lengths_of(1000, 100), host=Host(request_s=np.array([0.5])))
    fast = closed(times, 4, lengths_of(1000, 100))
    assert slow.ttft_s - fast.ttft_s == pytest.approx(0.5)
