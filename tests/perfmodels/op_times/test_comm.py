"""Collectives by latency and bandwidth, worked by hand on round links."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.op_times.comm import (
    all_reduce_time_s,
    bounding_hop,
    exchange_hop,
    exchange_time_s,
    point_to_point_time_s,
)

# The device of conftest: 100 GB/s and 1 us inside eight GPUs, 10 GB/s and 10 us beyond.


def test_all_reduce_by_hand(device):
    hop = bounding_hop(4, device)
    # 2 latencies, and 2 * 3/4 of 100 MB at 100 GB/s
    assert all_reduce_time_s(100e6, 4, hop) == pytest.approx(2e-6 + 1.5e-3)


def test_exchange_by_hand(device):
    assert exchange_time_s(100e6, 4, bounding_hop(4, device)) == pytest.approx(1e-6 + 1e-3)


def test_one_message_by_hand(device):
    assert point_to_point_time_s(100e6, device.inter_node) == pytest.approx(1e-5 + 1e-2)
    assert point_to_point_time_s(0, device.inter_node) == 0


def test_a_group_of_one_and_an_empty_message_take_no_time(device):
    hop = bounding_hop(np.array([1.0, 4.0]), device)
    for collective in (all_reduce_time_s, exchange_time_s):
        assert collective(np.array([100e6, 0.0]), np.array([1.0, 4.0]), hop).tolist() == [0, 0]


def test_rings_leave_a_node_through_all_its_cards(device):
    sizes = np.array([2.0, 8.0, 9.0, 16.0])
    hop = bounding_hop(sizes, device)
    assert hop.bandwidth_bytes_per_s.tolist() == [1e11, 1e11, 8e10, 8e10]  # eight cards of 10 GB/s
    assert hop.latency_s.tolist() == [1e-6, 1e-6, 1e-5, 1e-5]


def test_an_exchange_leaves_over_one_card_a_gpu(device):
    hop = exchange_hop(np.array([8.0, 16.0, 32.0]), device)
    # half, three quarters of the bytes leave at 10 GB/s; the rest goes over the link at the same time
    assert hop.bandwidth_bytes_per_s == pytest.approx([1e11, 1e10 / 0.5, 1e10 / 0.75])
    assert hop.latency_s.tolist() == [1e-6, 1e-5, 1e-5]


@given(group=st.integers(2, 64), low=st.floats(0, 1e9), factor=st.floats(1, 1e3))
def test_more_bytes_never_take_less_time(device, group, low, factor):
    hop = bounding_hop(group, device)
    for collective in (all_reduce_time_s, exchange_time_s):
        assert collective(low * factor, group, hop) >= collective(low, group, hop)


@given(small=st.integers(1, 64), more=st.integers(0, 64), message=st.floats(1, 1e9))
def test_a_larger_group_never_sums_faster(device, small, more, message):
    sizes = np.array([small, small + more], dtype=np.float64)
    times = all_reduce_time_s(message, sizes, bounding_hop(sizes, device))
    assert times[1] >= times[0]
