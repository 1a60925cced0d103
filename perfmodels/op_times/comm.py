"""Time of collectives: learned grids for measured groups, link models beyond, else latency and bandwidth."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.efficiency import Efficiency
from perfmodels.hardware import Device, Link
from perfmodels.op_times.families import FAMILIES
from perfmodels.op_times.learned import LearnedTimes
from perfmodels.op_times.link import NetworkUse, group_time_s
from perfmodels.operators.record import Operator

# --- Time of collective operations by latency and bandwidth.
# A group inside the fast link's domain uses it alone. A larger one sums over rings that leave each node
# through all its network cards at once, and exchanges the share of its messages that has to leave over
# each GPU's own card.


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """The link that bounds a group, as arrays over groups."""

    bandwidth_bytes_per_s: FloatArray
    latency_s: FloatArray


def bounding_hop(group_size: FloatLike, device: Device) -> Hop:
    """The slowest hop of a ring over consecutive ranks: the link, or all network cards of a node."""
    inside = np.asarray(group_size) <= device.link_domain_gpus
    fast, slow = device.intra_node, device.inter_node
    out_of_node = min(slow.bandwidth_bytes_per_s * device.gpus_per_node, fast.bandwidth_bytes_per_s)
    return Hop(
        bandwidth_bytes_per_s=np.where(inside, fast.bandwidth_bytes_per_s, out_of_node),
        latency_s=np.where(inside, fast.latency_s, slow.latency_s),
    )


def exchange_hop(group_size: FloatLike, device: Device) -> Hop:
    """What an all-to-all sees: the share of messages that leaves the domain goes over one card a GPU."""
    group = np.maximum(np.asarray(group_size, dtype=np.float64), 1.0)
    leaving = np.maximum(1.0 - device.link_domain_gpus / group, 0.0)
    fast, slow = device.intra_node, device.inter_node
    seconds_per_byte = np.maximum(
        leaving / slow.bandwidth_bytes_per_s, (1.0 - leaving) / fast.bandwidth_bytes_per_s
    )
    return Hop(
        bandwidth_bytes_per_s=1.0 / seconds_per_byte,
        latency_s=np.where(leaving > 0, slow.latency_s, fast.latency_s),
    )


def all_reduce_time_s(message_bytes: FloatLike, group_size: FloatLike, hop: Hop) -> FloatArray:
    """Sum of equal messages on every rank [s].

    Two latencies and 2(g-1)/g of the message over each rank's link (Patarasu & Yuan, JPDC 2009);
    zero for a group of one.
    """
    group = np.maximum(np.asarray(group_size, dtype=np.float64), 1.0)
    share = 2.0 * (group - 1.0) / group
    time = 2.0 * hop.latency_s + share * np.asarray(message_bytes) / hop.bandwidth_bytes_per_s
    return np.where((group > 1) & (np.asarray(message_bytes) > 0), time, 0.0)


def exchange_time_s(sent_bytes: FloatLike, group_size: FloatLike, hop: Hop) -> FloatArray:
    """All-to-all in which each rank sends `sent_bytes` in all [s]; zero for a group of one."""
    time = hop.latency_s + np.asarray(sent_bytes) / hop.bandwidth_bytes_per_s
    return np.where((np.asarray(group_size) > 1) & (np.asarray(sent_bytes) > 0), time, 0.0)


def point_to_point_time_s(message_bytes: FloatLike, link: Link) -> FloatArray:
    """One message over one link [s]; zero for an empty message."""
    message = np.asarray(message_bytes, dtype=np.float64)
    return np.where(message > 0, link.latency_s + message / link.bandwidth_bytes_per_s, 0.0)


def learned_exchange_s(operator: Operator, device: Device, learned: LearnedTimes) -> FloatArray | None:
    """Time of a collective [s] from what was measured; None where nothing was.

    Grids answer up to the largest group measured inside the link domain, link models beyond it.
    """
    family, links = FAMILIES.get(operator.family), learned.link_model(operator.family)
    if family is None or links is None:
        return None
    group = np.asarray(operator.group_size, dtype=np.float64)
    message = np.asarray(operator.wire_bytes, dtype=np.float64)
    pick = learned.pick(family, operator.variant)
    reach = min(pick.model.grid.axes[-1].knots[-1], device.link_domain_gpus) if pick else 1.0
    dims = {"message_bytes": message, "group": np.maximum(group, 2.0)}
    near = learned.time_s(family, operator.variant, dims)
    if near is not None and not np.any(group > reach):
        return near
    far = group_time_s(links, message, group, device, NetworkUse())
    return far if near is None else np.where(group <= reach, near, far)


def plain_exchange_s(operator: Operator, device: Device, efficiency: Efficiency) -> FloatArray:
    """Time of a collective [s] by latency and a share of the links' bandwidth."""
    message = np.asarray(operator.wire_bytes) / efficiency.link_frac
    if operator.family == "p2p":
        inside = np.asarray(operator.dims["span"]) <= device.link_domain_gpus
        near, far = (point_to_point_time_s(message, link) for link in (device.intra_node, device.inter_node))
        return np.where(inside, near, far)
    if operator.family == "all_reduce":
        time = all_reduce_time_s(message, operator.group_size, bounding_hop(operator.group_size, device))
    else:
        time = exchange_time_s(message, operator.group_size, exchange_hop(operator.group_size, device))
    return time + efficiency.collective_s
