"""Schedules worked by hand: a decode step takes 10 ms, a prompt 1 ms per token."""

import numba
import numpy as np
import pytest
from sim_engines import cluster_of, load_of, split_of, table_of

from simkit.core.errors import InputError
from simkit.sim.cluster import simulate
from simkit.sim.kernel.layout import LaneRow, PoolRow, RunRow, rows_of
from simkit.sim.kernel.routes import _compiled
from simkit.sim.kernel.state import State
from simkit.sim.routers import ROUTERS


def ms(values):
    return np.round(np.asarray(values) * 1e3, 6).tolist()


def test_one_request_prefills_then_decodes():
    """20 tokens of prompt in 20 ms, then three steps of 10."""
    times = simulate(cluster_of(), load_of([20], [4])).times
    assert (ms(times.start_s), ms(times.first_token_s), ms(times.finished_s)) == ([0], [20], [50])


def test_mixed_steps_carry_decodes_along_while_a_prompt_is_chunked():
    """A: 0-10 prefill. B comes at 5: at 10 it gets 9 of the 10 tokens beside A's decode (10 + 9 ms), then its
    last 3 (10 + 3 ms).
    """
    times = simulate(cluster_of(token_budget=10), load_of([10, 12], [3, 1], [0, 0.005])).times
    assert ms(times.first_token_s) == [10, 10 + 19 + 13]
    assert ms(times.finished_s)[0] == 42


def test_prompts_first_stall_the_decodes():
    """A: prefill to 10. B (12 tokens, 10 a step) is there by then: 10-20 and 20-22; A decodes from 22."""
    cluster = cluster_of(mixed_steps=False, token_budget=10)
    times = simulate(cluster, load_of([10, 12], [3, 1], [0, 0.005])).times
    assert ms(times.first_token_s) == [10, 22]
    assert ms(times.finished_s) == [42, 22]


def test_stalled_decodes_wait_for_their_share_of_a_prompt():
    cluster = cluster_of(table_of(stall=0.5), mixed_steps=True)
    times = simulate(cluster, load_of([10, 20], [3, 1], [0, 0.005])).times
    assert ms(times.first_token_s) == [10, 30]  # 10 ms of the decode and half of 20


@pytest.mark.parametrize(("early", "cached", "first"), [(True, [0, 32], 33 + 1), (False, [0, 0], 2 * 33)])
def test_a_prefix_is_found_once_scheduled_or_once_computed(early, cached, first):
    """Two equal prompts of two blocks and a token in one step: vLLM computes the blocks once."""
    cluster = cluster_of(early_prefixes=early, page_tokens=16)
    times = simulate(cluster, load_of([33, 33], [1, 1], blocks=[[1, 2], [1, 2]])).times
    assert times.cached_tokens.tolist() == cached
    assert ms(times.first_token_s) == [first, first]


def test_chunks_of_a_prompt_are_found_while_the_rest_is_computed():
    """A: 33 tokens in steps of 20, one block in the first. B finds it and has 1 token to compute."""
    cluster = cluster_of(early_prefixes=True, page_tokens=16, token_budget=20)
    times = simulate(cluster, load_of([33, 17], [1, 1], [0, 0.005], blocks=[[1, 2], [1]])).times
    assert times.cached_tokens.tolist() == [0, 16]
    assert ms(times.first_token_s) == [34, 34]


def test_room_for_everything_is_counted_in_whole_pages():
    """Four pages of 4 tokens hold two requests of 4 and 4 to the last page: both begin at once."""
    cluster = cluster_of(page_tokens=4, kv_capacity_tokens=16, reserve_frac=1.0, reserve_own_frac=1.0)
    times = simulate(cluster, load_of([4] * 3, [4] * 3)).times
    assert times.preemptions.tolist() == [0, 0, 0]
    assert ms(times.first_token_s) == [8, 8, 38 + 4]


def test_no_more_sequences_than_allowed():
    """One after the other: each 10 ms of prefill and one decode step."""
    times = simulate(cluster_of(max_seqs=1), load_of([10] * 3, [2] * 3)).times
    assert ms(times.first_token_s) == [10, 30, 50]


def test_the_last_admitted_is_preempted_and_computed_again():
    """5 pages of 4 tokens. A and B (7 tokens, 2 pages each) prefill to 14 ms and decode to 24, which fills
    their pages. One is left and both need one: B goes, and returns when A is done.
    """
    cluster = cluster_of(page_tokens=4, kv_capacity_tokens=20)
    times = simulate(cluster, load_of([7, 7], [6, 4])).times
    assert times.preemptions.tolist() == [0, 1]
    # A: 14, 24, 34, 44, 54, 64. B had 2 tokens, recomputes 9 in 9 ms for its third and decodes the fourth.
    assert ms(times.finished_s) == [64, 64 + 9 + 10]
    assert ms(times.first_token_s) == [14, 14]


def test_reserving_all_output_never_preempts():
    """Of 5 pages A needs 3 in all: B waits until A is done."""
    rules = {"page_tokens": 4, "kv_capacity_tokens": 20, "reserve_frac": 1.0, "reserve_own_frac": 1.0}
    times = simulate(cluster_of(**rules), load_of([7, 7], [6, 4])).times
    assert times.preemptions.sum() == 0
    assert ms(times.start_s) == [0, 57]


def test_the_least_output_goes_first_where_the_engine_says_so():
    """A comes first and has more output when pages run out, C the least though B is longer there."""
    rules = {"page_tokens": 1, "kv_capacity_tokens": 40, "least_output_first": True, "headroom_steps": 3}
    times = simulate(cluster_of(**rules), load_of([10, 10, 4], [12, 12, 12], [0, 0.001, 0.05])).times
    assert times.preemptions[0] == 0 and times.preemptions[2] >= 1


def test_cached_prefixes_are_not_computed_again():
    """The second request finds 2 of its 3 blocks of 4 tokens: 5 tokens are left, 5 ms."""
    load = load_of([13, 13], [1, 1], [0, 1.0], blocks=[[1, 2, 3], [1, 2, 9]], block_tokens=4)
    times = simulate(cluster_of(page_tokens=4), load).times
    assert times.cached_tokens.tolist() == [0, 8]
    assert ms(times.ttft_s) == [13, 5]


def test_a_prompt_known_as_a_whole_computes_its_last_block():
    load = load_of([8, 8], [1, 1], [0, 1.0], blocks=[[1, 2], [1, 2]], block_tokens=4)
    assert simulate(cluster_of(page_tokens=4), load).times.cached_tokens.tolist() == [0, 4]


def test_the_prefix_unused_for_longest_is_evicted_from_its_end():
    """Room for 4 blocks. 1-2-3 is followed by 7-8, which evicts 3 (the end of the older prefix)."""
    blocks = [[1, 2, 3], [7, 8], [1, 2, 3]]
    load = load_of([12, 8, 13], [1, 1, 1], [0, 1, 2], blocks=blocks, block_tokens=4)
    times = simulate(cluster_of(page_tokens=4, kv_capacity_tokens=16), load).times
    assert times.cached_tokens.tolist() == [0, 0, 8]


def test_without_prefix_caching_nothing_is_found():
    load = load_of([8, 8], [1, 1], [0, 1.0], blocks=[[1, 2], [1, 2]], block_tokens=4)
    cluster = cluster_of(page_tokens=4, prefix_caching=False)
    assert simulate(cluster, load).times.cached_tokens.tolist() == [0, 0]


def test_the_inbox_is_looked_at_every_few_steps():
    """A decodes from 10 on; B comes at 15 and is seen after 4 steps, at 50."""
    times = simulate(cluster_of(poll_steps=4), load_of([10, 10], [20, 1], [0, 0.015])).times
    assert ms(times.start_s) == [0, 50]


def test_prompts_are_held_back_to_be_batched():
    """B comes at 15, is seen at 20 and held for 3 steps; C comes meanwhile and goes along."""
    load = load_of([10, 10, 10], [20, 1, 1], [0, 0.015, 0.032])
    times = simulate(cluster_of(hold_steps=3), load).times
    assert ms(times.start_s) == [0, 50, 50]


def test_the_engine_turns_to_a_request_some_steps_later():
    """Two steps and a half: the rest of the one under way, a step and a half more, and to the end of that."""
    times = simulate(cluster_of(admission_steps=2.5), load_of([10, 10], [20, 1], [0, 0.025])).times
    assert ms(times.start_s) == [0, 40]


def test_the_host_comes_before_the_engine_and_bursts_queue_there():
    rules = {"request_host_s": 0.1, "request_token_s": 0.001, "request_serial_s": 0.01}
    times = simulate(cluster_of(**rules), load_of([10, 10], [1, 1])).times
    assert ms(times.start_s) == [110, 120]


def test_ranks_wait_for_the_slowest_and_stages_do_not():
    """Two requests of 10 and 30 prompt tokens on two lanes: together the first waits for the second."""
    load = load_of([10, 30], [1, 1])
    assert ms(simulate(cluster_of(ranks=2), load).times.first_token_s) == [30, 30]
    assert ms(simulate(cluster_of(stages=2), load).times.first_token_s) == [10, 30]
    assert simulate(cluster_of(replicas=2), load).times.replica.tolist() == [0, 1]


def test_the_least_loaded_replica_is_chosen():
    """The third request goes where the short one has gone already."""
    load = load_of([10, 10, 10], [100, 1, 1], [0, 0.001, 0.1])
    assert simulate(cluster_of(replicas=2), load).times.replica.tolist() == [0, 1, 0]
    cluster = cluster_of(replicas=2, router="least_loaded")
    assert simulate(cluster, load).times.replica.tolist() == [0, 1, 1]


def test_a_router_is_one_function():
    """A third one, that always takes the last lane, is compiled with the others and asked by name."""

    def last(state, rules, turn):
        return rules.first_lane + rules.replicas * rules.lanes - 1

    choose = numba.njit(_compiled([*ROUTERS.values(), last]).py_func)
    state, rules = State._make(range(25)), rows_of(PoolRow, 1)
    rules["replicas"], rules["lanes"], rules["first_lane"] = 3, 2, 10
    run, lanes = rows_of(RunRow, 1), rows_of(LaneRow, 16)
    lanes["load"][10:] = 4, 3, 2, 2, 5, 6
    chosen = []
    for run["router"] in range(3):
        chosen.append([choose(state._replace(run=run, lanes=lanes), rules[0], turn) for turn in range(3)])
    assert chosen == [[10, 12, 14], [12, 12, 12], [15, 15, 15]]


def test_caches_move_one_after_the_other_to_the_decode_pool():
    """Both prompts prefill in one step to 20 ms; caches arrive at 70 and 120; then two steps each."""
    times = simulate(split_of(), load_of([10, 10], [3, 3])).times
    assert ms(times.first_token_s) == [70, 120]
    assert ms(times.finished_s) == [90, 140]


def test_a_closed_loop_sends_when_a_slot_is_free():
    """Each request takes 10 + 10 ms; two slots on two replicas."""
    times = simulate(cluster_of(replicas=2), load_of([10] * 4, [2] * 4), concurrency=2).times
    assert ms(times.sent_s) == [0, 0, 20, 20]


def test_batches_are_computed_at_captured_sizes():
    """Three sequences at 1 ms each are computed as four, five as five beyond the last size."""
    table = table_of(per_seq=1e-3)
    for seqs, step in ((3, 14), (5, 15)):
        times = simulate(cluster_of(table, captured=(1, 2, 4)), load_of([1] * seqs, [2] * seqs)).times
        assert ms(times.finished_s - times.first_token_s) == [step] * seqs


@pytest.mark.parametrize(
    ("load", "named"),
    [
        (load_of([30], [11]), "41 tokens"),
        (load_of([5], [0]), "osl_tokens"),
        (load_of([5, 5], [1, 1], [1.0, 0.0]), "back in time"),
        (load_of([], []), "no requests"),
        (load_of([8], [1], blocks=[[1]], block_tokens=6), "multiple"),
    ],
)
def test_what_cannot_be_served_is_refused(load, named):
    with pytest.raises(InputError, match=named):
        simulate(cluster_of(page_tokens=4, kv_capacity_tokens=40), load)


def test_a_cache_moves_when_the_decoding_engine_has_room_for_it():
    """One page each. A is prefilled at 10 ms and moves to 60; then B is prefilled, to 70. The decoding engine
    is full until A ends at 80, so B's cache stays where it is until then, and arrives at 130.
    """
    cluster = split_of(page_tokens=16, kv_capacity_tokens=16)
    times = simulate(cluster, load_of([10] * 3, [3] * 3)).times
    assert ms(times.first_token_s)[:2] == [60, 130]
    assert ms(times.finished_s)[:2] == [80, 150]
    assert ms(times.start_s) == [0, 60, 130]  # the third prompt waits for B's place at the prefilling engine


def test_a_cache_that_moves_in_no_time_is_the_limit_of_ever_faster_links():
    load = load_of([10, 20, 15, 10], [30, 5, 40, 9], [0, 0.012, 0.03, 0.031])
    at_once, stepped, fast = (
        simulate(split_of(transfer=seconds), load, stepping=stepping).times
        for seconds, stepping in ((0.0, False), (0.0, True), (1e-9, False))
    )
    np.testing.assert_allclose(at_once.finished_s, stepped.finished_s, rtol=1e-9)
    np.testing.assert_allclose(at_once.finished_s, fast.finished_s, atol=1e-6)
