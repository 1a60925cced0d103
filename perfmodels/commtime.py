"""Time of collectives: learned grids for measured groups, link models beyond, shares of peak otherwise."""

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.collectives import (
    all_reduce_time_s,
    bounding_hop,
    exchange_hop,
    exchange_time_s,
    point_to_point_time_s,
)
from perfmodels.device import Device
from perfmodels.efficiency import Efficiency
from perfmodels.families.catalog import FAMILIES
from perfmodels.learned import LearnedTimes
from perfmodels.linkmodel import NetworkUse, group_time_s
from perfmodels.opspec import Operator


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
