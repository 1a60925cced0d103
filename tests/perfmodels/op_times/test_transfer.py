"""Moving caches between engines, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.hardware import TransferPath, rdma_path, tcp_path, transfer_time_s

PATH = TransferPath(bandwidth_bytes_per_s=1e10, setup_s=1e-3)


def test_time_by_hand():
    # Llama-3.1-70B, 4000 tokens: 1,310,720,000 bytes; over four GPUs' links of 10 GB/s 33 ms and 1 ms
    assert transfer_time_s(4000 * 327_680, 4, PATH) == pytest.approx(0.001 + 1_310_720_000 / 4e10)
    assert transfer_time_s(0, 4, PATH) == 1e-3


def test_without_links_the_cache_still_takes_one():
    assert transfer_time_s(1e9, 0, PATH) == transfer_time_s(1e9, 1, PATH)


def test_rdma_is_a_share_of_the_link_and_tcp_is_slower():
    assert rdma_path(50e9).bandwidth_bytes_per_s == pytest.approx(35e9)
    assert transfer_time_s(1e9, 1, tcp_path()) > 10 * transfer_time_s(1e9, 1, rdma_path(50e9))


@given(size=st.floats(0, 1e12), more=st.floats(1, 10), links=st.integers(1, 64))
def test_more_bytes_take_longer_and_more_links_do_not(size, more, links):
    base = transfer_time_s(size, links, PATH)
    assert transfer_time_s(size * more, links, PATH) >= base
    assert transfer_time_s(size, links + 1, PATH) <= base


def test_arrays():
    assert transfer_time_s(np.array([1e9, 2e9]), np.array([1.0, 2.0]), PATH).shape == (2,)
