"""Plans: what can exist, what it is called, one or many."""

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan, PlanArray


@pytest.mark.parametrize("group", ["tp", "pp", "attn_dp", "moe_tp", "ep"])
@pytest.mark.parametrize("size", [0, -2])
def test_groups_have_members(group, size):
    with pytest.raises(ValueError, match=f"{group} must be at least 1, got {size}"):
        ParallelPlan(**{group: size})


@pytest.mark.parametrize(
    "plan", [{"tp": 4, "ep": 8}, {"tp": 2, "attn_dp": 2, "moe_tp": 2}, {"ep": 2}, {"attn_dp": 8, "ep": 4}]
)
def test_attention_and_experts_cover_the_same_gpus(plan):
    with pytest.raises(ValueError, match=r"same GPUs: tp\*attn_dp = \d\*\d but moe_tp\*ep = \d\*\d"):
        ParallelPlan(**plan)


@pytest.mark.parametrize(
    ("plan", "gpus", "label"),
    [
        ({}, 1, "tp1"),
        ({"tp": 4}, 4, "tp4"),
        ({"tp": 8, "pp": 2}, 16, "tp8pp2"),
        ({"tp": 8, "moe_tp": 8}, 8, "tp8"),
        ({"tp": 8, "ep": 8}, 8, "tep8"),
        ({"tp": 8, "moe_tp": 2, "ep": 4}, 8, "tp8mtp2ep4"),
        ({"attn_dp": 16, "ep": 16}, 16, "dep16"),
        ({"tp": 2, "attn_dp": 4, "ep": 8}, 8, "tp2dp4ep8"),
        ({"attn_dp": 8, "ep": 8, "pp": 2}, 16, "dep8pp2"),
    ],
)
def test_sizes_and_names(plan, gpus, label):
    assert ParallelPlan(**plan).num_gpus == gpus
    assert ParallelPlan(**plan).label == label


PLANS = [
    ParallelPlan(),
    ParallelPlan(tp=4, pp=2),
    ParallelPlan(attn_dp=8, ep=8),
    ParallelPlan(tp=2, attn_dp=4, ep=8, pp=2),
]


def test_many_plans_side_by_side():
    array = PlanArray.of(PLANS)
    assert array.num_gpus.tolist() == [plan.num_gpus for plan in PLANS]
    assert array.lanes.tolist() == [1, 2, 8, 8]
    assert [array.plan(i) for i in range(4)] == PLANS
    assert array.take(np.array([2, 0])).plan(0) == PLANS[2]
    assert array.expand().tp.shape == (4, 1)


def test_plans_are_values():
    assert ParallelPlan(tp=2) == ParallelPlan(tp=2)
    assert len({ParallelPlan(tp=2), ParallelPlan(tp=2), ParallelPlan(tp=4)}) == 2
