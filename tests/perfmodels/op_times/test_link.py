"""Collectives by latency and bandwidth: worked numbers, laws, and a planted truth."""

import numpy as np
import pytest

from perfmodels.hardware import Device, Link
from perfmodels.op_fit.operator import Timings, fit_link_model
from perfmodels.op_times.link import (
    OPERATIONS,
    Algorithm,
    LinkModel,
    NetworkUse,
    collective_time_s,
    group_time_s,
    least_share,
)

LINK = Link(bandwidth_bytes_per_s=400e9, latency_s=2e-6)
SUM = LinkModel(
    operation="all_reduce",
    algorithms=(
        Algorithm(latency_s=3e-6, peer_s=0.1e-6, bandwidth_frac=0.4, one_shot=True),
        Algorithm(latency_s=8e-6, peer_s=0.5e-6, bandwidth_frac=0.5),
        Algorithm(latency_s=25e-6, peer_s=1e-6, bandwidth_frac=0.9),
    ),
)
NODE = Device(
    name="example",
    vendor="example",
    generation="example",
    memory_bytes=80e9,
    memory_bytes_per_s=3e12,
    peak_flop_per_s={"bf16": 1e15},
    intra_node=LINK,
    inter_node=Link(bandwidth_bytes_per_s=50e9, latency_s=8e-6),
)
SIZES = np.geomspace(64, 4e9, 4000)


def _same(operation: str) -> LinkModel:
    """Two algorithms for any operation."""
    return LinkModel(operation=operation, algorithms=SUM.algorithms[1:])


def test_one_shot_two_shot_and_bulk_by_hand() -> None:
    # 16 KB over 8 ranks in one shot: 3 + 6*0.1 us, then 7*16e3 bytes at 160 GB/s: 0.7 us -> 4.3 us
    assert collective_time_s(SUM, 16e3, 8, LINK) == pytest.approx(4.3e-6)
    # 4 GB: 25 + 6*1 us, then 2*7/8*4e9 bytes at 360 GB/s: 19,444.4 us -> 19,475.4 us
    assert collective_time_s(SUM, 4e9, 8, LINK) == pytest.approx(31e-6 + 7e9 / 360e9)
    assert collective_time_s(SUM, 16e3, 1, LINK) == 0.0


def test_crowding_divides_the_bandwidth() -> None:
    crowded = Algorithm(latency_s=0.0, peer_s=0.0, bandwidth_frac=1.0, crowding=1.0)
    model = LinkModel(operation="all_gather", algorithms=(crowded,))
    # 8 ranks move 7/8 of 400 MB over a quarter of 400 GB/s: 3.5 ms
    assert collective_time_s(model, 400e6, 8, LINK) == pytest.approx(3.5e-3)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("group", [2, 3, 8, 9, 16, 72])
def test_rises_with_the_message_and_jumps_nowhere(operation: str, group: int) -> None:
    inside = collective_time_s(_same(operation), SIZES, group, LINK)
    anywhere = group_time_s(_same(operation), SIZES, group, NODE, NetworkUse())
    for time in (inside, anywhere):
        assert np.all(np.diff(time) >= 0)
        # a step of sizes by s cannot lengthen the time by more than s where every algorithm is a line
        assert np.max(time[1:] / time[:-1]) <= SIZES[1] / SIZES[0] * (1 + 1e-9)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_never_below_what_the_link_needs(operation: str) -> None:
    boastful = Algorithm(latency_s=0.0, peer_s=0.0, bandwidth_frac=50.0)
    model = LinkModel(operation=operation, algorithms=(boastful,))
    for group in (2, 4, 8):
        bound = least_share(operation, group) * SIZES / LINK.bandwidth_bytes_per_s
        assert np.all(collective_time_s(model, SIZES, group, LINK) >= bound)


def test_least_share_by_hand() -> None:
    # eight ranks: a switch that adds up still delivers one whole vector; gathering brings 7/8
    assert least_share("all_reduce", 8) == 1.0
    assert least_share("all_gather", 8) == pytest.approx(7 / 8)
    assert least_share("all_reduce", 1) == 0.0


def test_two_nodes_are_paced_by_their_cards() -> None:
    use = NetworkUse(latency_s=20e-6, peer_s=0.0, bandwidth_frac=0.8)
    # 2 x 8 GPUs sum 8 GB: each GPU exchanges 1 GB with its peer at 0.8*50 GB/s, 25 ms; inside the node
    # 2*7/8*8e9 bytes at 360 GB/s take longer, 38.9 ms, and set the pace
    assert group_time_s(SUM, 8e9, 16, NODE, use) == pytest.approx(
        20e-6 + 31e-6 + 2 * 7 / 8 * 8e9 / 360e9, rel=1e-6
    )
    slow = NetworkUse(latency_s=20e-6, peer_s=0.0, bandwidth_frac=0.2)
    # at 10 GB/s the card needs 100 ms
    assert group_time_s(SUM, 8e9, 16, NODE, slow) == pytest.approx(0.1, rel=1e-3)


def test_a_rack_wide_domain_needs_no_network() -> None:
    rack = Device(
        name="rack", vendor="example", generation="example", memory_bytes=80e9, memory_bytes_per_s=3e12,
        peak_flop_per_s={"bf16": 1e15}, intra_node=LINK, inter_node=NODE.inter_node, gpus_per_node=4,
        link_domain_gpus=72,
    )  # fmt: skip
    inside = collective_time_s(SUM, SIZES, 72, LINK)
    assert np.allclose(group_time_s(SUM, SIZES, 72, rack, NetworkUse()), inside)


def test_the_fit_recovers_a_planted_model() -> None:
    noise = np.random.default_rng(0)
    message, group = np.meshgrid(np.geomspace(256, 1e9, 23), [2.0, 4.0, 8.0])
    message, group = message.ravel(), group.ravel()
    truth = collective_time_s(SUM, message, group, LINK)
    times = truth * np.exp(0.01 * noise.standard_normal(truth.size))
    fitted = fit_link_model("all_reduce", Timings(message_bytes=message, group=group, time_s=times), LINK)
    between = np.geomspace(300, 8e8, 50)  # sizes and a group that were not measured
    expected = collective_time_s(SUM, between, 6.0, LINK)
    error = np.abs(collective_time_s(fitted, between, 6.0, LINK) / expected - 1)
    assert np.median(error) < 0.02  # twice the noise
    assert error.max() < 0.1
    assert fitted.algorithms[-1].bandwidth_frac == pytest.approx(0.9, rel=0.05)
    assert fitted.algorithms[0].latency_s == pytest.approx(3e-6, rel=0.1)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="positive"):
        Algorithm(latency_s=1e-6, peer_s=0.0, bandwidth_frac=0.0)
    with pytest.raises(ValueError, match="all_reduce"):
        LinkModel(operation="broadcast", algorithms=SUM.algorithms)
    few = Timings(message_bytes=np.ones(3), group=np.full(3, 2.0), time_s=np.ones(3))
    with pytest.raises(ValueError, match="eight"):
        fit_link_model("all_reduce", few, LINK)
