"""The order of candidates after some were simulated."""

from dataclasses import replace

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Pool
from simkit.core.estimate import Candidate, Estimate, Latency, Simulated, Spread
from simkit.core.slo import Slo
from simkit.engines.registry import default_engine
from simkit.explain.answer import moved_words
from simkit.search.picking import Preference
from simkit.search.shortlist import reranked, with_ties

LATENCY = Latency(mean_s=1.0, p50_s=1.0, p75_s=1.0, p90_s=1.0, p95_s=1.0, p99_s=1.0, lo_s=0.5, hi_s=2.0)
THROUGHPUT = Preference(objective="throughput", total_gpus=8, osl_tokens=100)
GOODPUT = Preference(objective="goodput", total_gpus=8, osl_tokens=100)
FEWEST = Preference(objective="fewest_gpus", total_gpus=8, osl_tokens=100)


def candidate(name, rate, *, gpus=4, chance=0.9, holds=True):
    """name is kept as the engine's version."""
    engine = default_engine("vllm", version=name)
    estimate = Estimate(
        concurrency=8, ttft=LATENCY, itl=LATENCY, e2e=LATENCY, output_tokens_per_s=rate,
        output_tokens_per_s_per_gpu=rate / gpus, tokens_per_s_per_user=1.0, request_rate_per_s=rate,
        memory_bytes={}, kv_capacity_tokens=1.0, sla_probability=chance, in_domain=True, bottleneck="",
    )  # fmt: skip
    worker = Pool(plan=ParallelPlan(tp=gpus), engine=engine)
    return Candidate(deployment=Aggregated(worker=worker), estimate=estimate, meets_sla=holds)


def simulated(item, rate, *, violation=0.5, chance=0.9, good=None):
    spread = Spread(mean_s=1.0, p50_s=1.0, p75_s=1.0, p90_s=1.0, p95_s=1.0, p99_s=1.0)
    found = Simulated(
        requests=200, concurrency=8, ttft=spread, itl=spread, e2e=spread, request_rate_per_s=rate,
        output_tokens_per_s=rate, output_tokens_per_s_per_gpu=rate / item.deployment.num_gpus,
        violation=violation, sla_probability=chance, goodput_per_s=good,
    )  # fmt: skip
    return replace(item, simulated=found, meets_sla=found.meets_sla)


def names(candidates):
    return [item.deployment.worker.engine.version for item in candidates]


def test_without_a_simulation_the_order_stands():
    found = [candidate("a", 5), candidate("b", 9)]
    assert names(reranked(found, THROUGHPUT)) == ["a", "b"]


def test_what_misses_as_simulated_falls_behind_what_may_hold():
    found = [
        simulated(candidate("a", 9), 9, violation=1.2),
        simulated(candidate("b", 8), 8, violation=1.1),
        candidate("c", 7),
        simulated(candidate("d", 6), 6),
        candidate("e", 5, holds=False),
    ]
    assert names(reranked(found, THROUGHPUT)) == ["d", "c", "b", "a", "e"]


def test_what_holds_only_as_simulated_counts_as_holding():
    found = [candidate("a", 9, holds=False), simulated(candidate("b", 5, holds=False), 5)]
    assert names(reranked(found, THROUGHPUT)) == ["b", "a"]


@pytest.mark.parametrize(("rate", "first"), [(10.1, "a"), (10.4, "b")])
def test_a_difference_within_two_percent_moves_nobody_from_the_first_place(rate, first):
    found = [simulated(candidate("a", 10), 10), simulated(candidate("b", 9), rate)]
    assert names(reranked(found, THROUGHPUT))[0] == first


@pytest.mark.parametrize(("rate", "first"), [(10.1, "a"), (10.4, "b")])
def test_where_gpus_do_not_decide_more_of_them_move_nobody_either(rate, first):
    found = [simulated(candidate("a", 10, gpus=3), 10), simulated(candidate("b", 9, gpus=4), rate)]
    assert names(reranked(found, THROUGHPUT))[0] == first


def test_goodput_as_simulated_decides_where_it_was_asked_for():
    found = [simulated(candidate("a", 10), 10, good=6), simulated(candidate("b", 9), 9, good=8)]
    order = reranked(found, GOODPUT)
    assert names(order) == ["b", "a"]
    words = moved_words(found[0], order[0], Slo(ttft_s=1.0), GOODPUT)
    assert "more of its requests meet every bound" in words


def test_the_choice_leaves_room_for_errors_as_the_search_does():
    found = [simulated(candidate("a", 10), 10, chance=0.5), simulated(candidate("b", 9), 9, chance=0.9)]
    assert names(reranked(found, THROUGHPUT)) == ["b", "a"]


def test_with_a_load_given_fewer_gpus_win_and_throughput_only_among_equals():
    found = [
        simulated(candidate("a", 10, gpus=4), 10),
        simulated(candidate("b", 6, gpus=2), 6),
        simulated(candidate("c", 8, gpus=2), 8),
    ]
    assert names(reranked(found, FEWEST)) == ["c", "b", "a"]


def test_ties_are_with_the_new_first_and_within_its_noise():
    others = [candidate("b", 9), candidate("c", 3), candidate("d", 10, holds=False)]
    found = with_ties([simulated(candidate("a", 10), 10), *others], [0.2] * 4, THROUGHPUT)
    assert [item.tied for item in found] == [False, True, False, False]
