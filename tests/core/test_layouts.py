"""Short names of plans, as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import parse_layout
from simkit.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "count", "plan"),
    [
        ("tp4", 1, ParallelPlan(tp=4)),
        ("2xtp8", 2, ParallelPlan(tp=8)),
        (" 3 x TP2 ", 3, ParallelPlan(tp=2)),
        ("4*tp1", 4, ParallelPlan()),
        ("tp8pp2", 1, ParallelPlan(tp=8, pp=2)),
        ("dep16", 1, ParallelPlan(attn_dp=16, ep=16)),
        ("tep8", 1, ParallelPlan(tp=8, ep=8)),
        ("tp2dp4ep8", 1, ParallelPlan(tp=2, attn_dp=4, ep=8)),
        ("tp2dp4", 1, ParallelPlan(tp=2, attn_dp=4, ep=8)),
        ("tp8ep4", 1, None),
        ("dep8pp2", 1, ParallelPlan(attn_dp=8, ep=8, pp=2)),
    ],
)
def test_layouts_of_dense_text(text, count, plan):
    if plan is None:
        with pytest.raises(InputError, match="same GPUs"):
            parse_layout(text)
        return
    assert parse_layout(text) == (count, plan)


def test_experts_follow_tensor_parallelism():
    assert parse_layout("tp8", moe=True) == (1, ParallelPlan(tp=8, moe_tp=8))
    assert parse_layout("tp8ep4", moe=True) == (1, ParallelPlan(tp=8, moe_tp=2, ep=4))
    assert parse_layout("tp4dp2mtp8", moe=True) == (1, ParallelPlan(tp=4, attn_dp=2, moe_tp=8))


@pytest.mark.parametrize("text", ["", "8", "tp", "tp-1", "pp2", "tp4x2", "dep", "tp4 tp4", "tp1.5"])
def test_unreadable_layouts_say_how(text):
    with pytest.raises(InputError, match=r"is not understood; write it like tp4, 2xtp8, dep16"):
        parse_layout(text)


@pytest.mark.parametrize("text", ["tp0", "tp8ep3", "tp2dp2ep8"])
def test_impossible_layouts_say_why(text):
    with pytest.raises(InputError, match=f"layout '{text}': "):
        parse_layout(text, moe=True)


@given(text=st.text("0123456789tpdemx* ", max_size=14), moe=st.booleans())
def test_any_text_is_a_layout_or_an_input_error(text, moe):
    try:
        count, plan = parse_layout(text, moe=moe)
    except InputError:
        return
    assert count >= 0
    assert plan.num_gpus >= 1
