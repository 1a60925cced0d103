"""Collectives by latency and bandwidth: the quickest of a few algorithms, each a straight line in bytes.

Small messages go in one shot (every rank reads all others'), larger ones in two (a scatter-reduce and a
gather), large ones through rings or switches that cost more to start and less per byte. Bandwidth is a
fraction of the link's, so what is learned on one GPU serves another whose link is known.
"""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.hardware import Device, Link

OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One way to run a collective.

    latency_s at two ranks, plus peer_s for each further rank; bandwidth_frac of the link at two ranks,
    which falls as (2/group)^crowding where the ranks share what joins them (a PCIe root).
    one_shot: every rank takes all the others' messages whole.
    """

    latency_s: float
    peer_s: float
    bandwidth_frac: float
    crowding: float = 0.0
    one_shot: bool = False

    def __post_init__(self) -> None:
        if min(self.latency_s, self.peer_s) < 0 or self.bandwidth_frac <= 0:
            raise ValueError(f"latencies must not be negative and bandwidth positive, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkModel:
    """A collective inside one link domain: the quickest of its algorithms at each size."""

    operation: str
    algorithms: tuple[Algorithm, ...]

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS or not self.algorithms:
            raise ValueError(
                f"expected one of {', '.join(OPERATIONS)} and an algorithm, got {self.operation!r} "
                f"with {len(self.algorithms)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUse:
    """How well a collective uses the network between domains: one start, and the share of a card."""

    latency_s: float = 20e-6
    peer_s: float = 5e-6
    bandwidth_frac: float = 0.85


def least_share(operation: str, group: FloatLike) -> FloatArray:
    """Part of the message that must pass each GPU's link in one direction, whatever the algorithm.

    The sum depends on every other rank's vector, so one whole vector comes in even if switches add up;
    two rank rings and switches come close to it. The others move all but a rank's own part.
    """
    ranks = np.maximum(np.asarray(group, dtype=np.float64), 1.0)
    whole = operation in ("all_reduce", "send_recv")
    return np.where(ranks > 1, 1.0 if whole else 1.0 - 1.0 / ranks, 0.0)


def moved_share(operation: str, group: FloatLike, *, one_shot: bool = False) -> FloatArray:
    """Part of the message that an algorithm moves over each GPU's link in one direction."""
    ranks = np.maximum(np.asarray(group, dtype=np.float64), 1.0)
    if operation == "all_reduce":
        return ranks - 1.0 if one_shot else 2.0 * (ranks - 1.0) / ranks
    return least_share(operation, ranks)


def collective_time_s(model: LinkModel, message_bytes: FloatLike, group: FloatLike, link: Link) -> FloatArray:
    """Time [s] inside one domain; never below what the link needs for the least share.

    Rises with the message and is continuous where algorithms take turns; zero for a group of one.
    """
    message = np.asarray(message_bytes, dtype=np.float64)
    ranks = np.maximum(np.asarray(group, dtype=np.float64), 1.0)
    quickest = np.min([_line(model.operation, a, message, ranks, link) for a in model.algorithms], axis=0)
    bound = least_share(model.operation, ranks) * message / link.bandwidth_bytes_per_s
    return np.where((ranks > 1) & (message > 0), np.maximum(quickest, bound), 0.0)


def _line(
    operation: str, algorithm: Algorithm, message: FloatArray, ranks: FloatArray, link: Link
) -> FloatArray:
    further = np.maximum(ranks - 2.0, 0.0)
    crowd = (2.0 / np.maximum(ranks, 2.0)) ** algorithm.crowding
    rate = algorithm.bandwidth_frac * link.bandwidth_bytes_per_s * crowd
    moved = moved_share(operation, ranks, one_shot=algorithm.one_shot) * message
    time: FloatArray = algorithm.latency_s + algorithm.peer_s * further + moved / rate
    return time


def group_time_s(
    model: LinkModel, message_bytes: FloatLike, group: FloatLike, device: Device, network: NetworkUse
) -> FloatArray:
    """Time [s] of a group of any size: inside one domain, or over several through all their cards.

    A large collective first shares its message out inside each domain; every GPU then exchanges its
    part with its peers in the other domains over its own card, while the next piece is shared out: the
    slower of the two sets the pace.
    """
    message = np.asarray(message_bytes, dtype=np.float64)
    ranks = np.maximum(np.asarray(group, dtype=np.float64), 1.0)
    inner = np.minimum(ranks, device.link_domain_gpus)
    domains = np.ceil(ranks / inner)
    inside = collective_time_s(
        model, _inner_message(model.operation, message, ranks, inner), inner, device.intra_node
    )
    rate = network.bandwidth_frac * device.inter_node.bandwidth_bytes_per_s
    outside = _outer_bytes(model.operation, message, inner, domains) / rate
    start = network.latency_s + network.peer_s * np.maximum(domains - 2.0, 0.0)
    first = collective_time_s(model, np.minimum(message, 1.0), inner, device.intra_node)
    across = start + first + np.maximum(outside, inside - first)
    return np.where((domains > 1) & (message > 0), across, inside)


def _inner_message(operation: str, message: FloatArray, ranks: FloatArray, inner: FloatArray) -> FloatArray:
    """What the domain's own GPUs exchange: in an all-to-all, only the parts meant for each other."""
    return message * inner / ranks if operation == "all_to_all" else message + 0.0 * ranks


def _outer_bytes(operation: str, message: FloatArray, inner: FloatArray, domains: FloatArray) -> FloatArray:
    """Bytes that leave each GPU over its card."""
    if operation in ("all_to_all", "send_recv"):
        return message * (1.0 - 1.0 / domains if operation == "all_to_all" else 1.0)
    passes = 2.0 if operation == "all_reduce" else 1.0
    return passes * (1.0 - 1.0 / domains) * message / inner
