"""Ranking and fronts on tables made by hand."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.core.slo import Slo
from simkit.search.candidate_table import Points, concatenate
from simkit.search.picking import (
    SURE_SHARE,
    Preference,
    best_per_layout,
    knee,
    leading,
    pareto_front,
    ranking,
    robust_worth,
)

THROUGHPUT = Preference(objective="throughput", total_gpus=8, osl_tokens=100.0)
FEWEST = Preference(objective="fewest_gpus", total_gpus=8, osl_tokens=100.0)
LATENCY = Preference(objective="latency", total_gpus=8, osl_tokens=100.0)


def table(**columns):
    rows = len(next(iter(columns.values())))
    plain = {field.name: np.ones(rows) for field in fields(Points)}
    plain |= {"decode_plan": -np.ones(rows), "saturated": np.zeros(rows)}
    return Points(**(plain | {name: np.asarray(value, dtype=float) for name, value in columns.items()}))


def test_throughput_among_those_that_hold():
    points = table(requests_per_s=[5, 9, 7], itl_s=[0.02, 0.05, 0.03])
    assert ranking(points, Slo(itl_s=0.04), THROUGHPUT).tolist() == [2, 0, 1]
    assert ranking(points, Slo(), THROUGHPUT).tolist() == [1, 2, 0]


def test_nearest_miss_first_when_none_holds():
    points = table(ttft_s=[4, 2, 3], itl_s=[0.01, 0.05, 0.02])
    # worst of TTFT over 1 s and ITL over 10 ms: 4, 5, 3
    assert ranking(points, Slo(ttft_s=1.0, itl_s=0.01), THROUGHPUT).tolist() == [2, 0, 1]


def test_fewest_gpus_then_throughput_per_gpu():
    points = table(num_gpus=[4, 2, 2, 8], requests_per_s=[9, 5, 6, 99])
    assert ranking(points, Slo(), FEWEST).tolist() == [2, 1, 0, 3]


def test_latency_first():
    assert ranking(table(e2e_s=[3, 1, 2]), Slo(), LATENCY).tolist() == [1, 2, 0]


def test_ties_go_to_fewer_gpus_and_then_to_the_faster():
    points = table(num_gpus=[4, 2, 2], e2e_s=[1, 3, 2])
    assert ranking(points, Slo(), THROUGHPUT).tolist() == [2, 1, 0]


def test_saturated_and_undefined_points_break_any_bound():
    points = table(saturated=[1, 0, 0], itl_s=[0.01, np.nan, 0.02])
    violation = points.violation(Slo(itl_s=0.04))
    assert violation[0] > 1e6
    assert violation[1:].tolist() == [np.inf, 0.5]
    assert points.violation(Slo())[0] > 1e6
    assert ranking(points, Slo(itl_s=0.04), THROUGHPUT)[0] == 2


def test_of_overloaded_points_the_one_that_sustains_most_comes_first():
    points = table(saturated=[1, 1, 1], requests_per_s=[2.0, 5.0, 3.0], num_gpus=[1, 8, 4])
    assert ranking(points, Slo(itl_s=0.04), FEWEST).tolist() == [1, 2, 0]


def test_a_bound_met_exactly_holds():
    assert table(itl_s=[0.04]).violation(Slo(itl_s=0.04)) == 1.0
    assert ranking(table(itl_s=[0.04, 0.05], requests_per_s=[1, 9]), Slo(itl_s=0.04), THROUGHPUT)[0] == 0


def test_the_front_by_hand():
    # (per user, per GPU): (10, 500), (20, 400), (20, 300), (50, 450), (100, 100); the fourth beats the
    # second and third
    points = table(itl_s=[0.1, 0.05, 0.05, 0.02, 0.01], requests_per_s=[5, 4, 3, 4.5, 1])
    assert pareto_front(points, 100.0).tolist() == [0, 3, 4]


def test_the_front_leaves_out_what_cannot_run():
    points = table(itl_s=[0.1, 0.01, np.inf], requests_per_s=[1, 9, 9], saturated=[0, 1, 0])
    assert pareto_front(points, 100.0).tolist() == [0]
    assert pareto_front(points.take(np.array([1, 2])), 100.0).tolist() == []


positive = st.floats(1e-3, 1e3)


@given(rows=st.lists(st.tuples(positive, positive, st.integers(1, 64)), min_size=1, max_size=60))
def test_nothing_beats_the_front_and_all_else_is_beaten(rows):
    itl, rate, gpus = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    points = table(itl_s=itl, requests_per_s=rate, num_gpus=gpus)
    front = pareto_front(points, 100.0, limit=len(rows))
    user, gpu = 1 / itl, rate * 100.0 / gpus
    for position in range(len(rows)):
        as_good = (user >= user[position]) & (gpu >= gpu[position])
        better = as_good & ((user > user[position]) | (gpu > gpu[position]))
        if position in front:
            assert not better.any()
        else:
            assert as_good[front].any()


def test_the_front_is_thinned_evenly_and_keeps_its_ends():
    points = table(itl_s=1 / np.arange(1.0, 101.0), requests_per_s=np.arange(100.0, 0.0, -1.0))
    front = pareto_front(points, 1.0, limit=5)
    assert front.tolist() == [0, 25, 50, 74, 99]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_one_point_of_each_layout(limit):
    points = table(plan=[0, 0, 1, 1, 1], decode_plan=[-1, -1, -1, 2, 2])
    order = np.array([4, 1, 3, 0, 2])
    assert best_per_layout(points, order, limit).tolist() == [4, 1, 2][:limit]


def test_tables_join():
    joined = concatenate([table(itl_s=[1, 2]), table(itl_s=[3])])
    assert len(joined) == 3
    assert joined.itl_s.tolist() == [1, 2, 3]
    assert joined.take(joined.itl_s > 1).itl_s.tolist() == [2, 3]


def test_of_the_sure_the_best_and_of_the_others_the_most_on_average():
    """Sure is 0.8 of 0.9: positions 1 and 2. The others are worth 0.7*20 = 14, 0.1*100 = 10 and nothing."""
    probability, value = np.array([0.1, 0.9, 0.75, 0.7, 0.0]), np.array([100.0, 5.0, 6.0, 20.0, 1000.0])
    assert np.argsort(-robust_worth(probability, value, 0.8)).tolist() == [2, 1, 3, 0, 4]


def test_taken_at_their_word_only_value_counts():
    assert np.argmax(robust_worth(np.array([0.9, 0.1]), np.array([1.0, 2.0]), 0.0)) == 1


chances = st.lists(st.tuples(st.floats(0, 1), positive), min_size=1, max_size=30)


@given(rows=chances, share=st.floats(0, 1))
def test_the_robust_choice_is_sure_and_no_sure_one_is_better(rows, share):
    probability, value = (np.array(column) for column in zip(*rows, strict=True))
    choice = int(np.argmax(robust_worth(probability, value, share)))
    sure = probability >= share * probability.max()
    assert sure[choice]
    assert value[choice] == pytest.approx(value[sure].max(), rel=1e-12)


def test_more_certainty_never_asks_for_less():
    """Each share's choice is at least as likely to hold as the share promises."""
    rng = np.random.default_rng(3)
    probability, value = rng.random(200), rng.random(200)
    for share in np.linspace(0, 1, 11):
        choice = int(np.argmax(robust_worth(probability, value, share)))
        assert probability[choice] >= share * probability.max()


def test_a_safe_point_goes_before_a_better_one_near_its_bound():
    points = table(requests_per_s=[9, 7, 8], itl_s=[0.039, 0.02, 0.05])
    chance = np.array([0.5, 0.95, 0.3])
    assert ranking(points, Slo(itl_s=0.04), THROUGHPUT, chance).tolist() == [1, 0, 2]
    assert ranking(points, Slo(itl_s=0.04), THROUGHPUT).tolist() == [0, 1, 2]
    assert SURE_SHARE > 0.5 / 0.95


uncertain = st.tuples(positive, positive, st.integers(1, 8), st.floats(0, 1))


@given(rows=st.lists(uncertain, min_size=1, max_size=40))
@pytest.mark.parametrize("preference", [THROUGHPUT, FEWEST, LATENCY])
def test_the_leading_one_is_the_first_of_the_ranking(preference, rows):
    itl, rate, gpus, chance = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    points = table(itl_s=itl, requests_per_s=rate, num_gpus=gpus, e2e_s=itl * 9)
    for certainty in (None, chance):
        first = ranking(points, Slo(itl_s=1.0), preference, certainty)[:1]
        assert leading(points, Slo(itl_s=1.0), preference, certainty).tolist() == first.tolist()


def test_the_knee_is_where_the_front_bends():
    """In logs (0, 3), (1, 3), (2, 2), (3, 0): over spans of 3 the sums are 1, 4/3, 4/3 (later), 1."""
    assert knee(np.exp([0.0, 1, 2, 3]), np.exp([3.0, 3, 2, 0])) == 1
    assert knee(np.exp([0.0, 1, 2, 3]), np.exp([3.0, 2.5, 2.4, 0])) == 2


def test_a_front_without_a_bend_has_no_knee():
    assert knee(np.exp([0.0, 1, 3]), np.exp([3.0, 0.5, 0])) is None
    assert knee(np.array([1.0, 2]), np.array([2.0, 1])) is None
