"""The speed of light of one operator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.hardware import roofline_time_s

H200 = {"peak_flop_per_s": 989e12, "peak_bytes_per_s": 4.8e12}


def test_both_sides_by_hand():
    assert roofline_time_s(989e12, 0, **H200) == 1.0
    assert roofline_time_s(0, 4.8e12, **H200) == 1.0
    assert roofline_time_s(989e12, 2 * 4.8e12, **H200) == 2.0
    # decode of an 8B model in bf16: 16e9 FLOP take 16 us, 16e9 bytes take 3.3 ms
    assert roofline_time_s(16e9, 16e9, **H200) == pytest.approx(3.333e-3, rel=1e-3)


def test_the_sides_meet_at_the_ridge():
    ridge = 989e12 / 4.8e12  # 206 FLOP per byte
    assert roofline_time_s(ridge * 1e9, 1e9, **H200) == pytest.approx(1e9 / 4.8e12)
    assert roofline_time_s(1.1 * ridge * 1e9, 1e9, **H200) == pytest.approx(1.1e9 / 4.8e12)


def test_scalars_and_arrays_broadcast():
    times = roofline_time_s(np.array([[1e12], [2e12]]), np.array([0.0, 1e9, 1e12]), **H200)
    assert times.shape == (2, 3)
    assert times[1, 2] == roofline_time_s(2e12, 1e12, **H200)


amounts = st.floats(0, 1e18)


@given(flop=amounts, mem=amounts, more=st.floats(1, 100))
def test_more_work_never_takes_less_time(flop, mem, more):
    base = roofline_time_s(flop, mem, **H200)
    assert roofline_time_s(flop * more, mem, **H200) >= base
    assert roofline_time_s(flop, mem * more, **H200) >= base
