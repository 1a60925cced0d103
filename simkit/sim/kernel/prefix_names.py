"""Names of cached prefixes as small numbers, so that compiled code finds them by place."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simkit.sim.requests import IntArray


class UnitTables(NamedTuple):
    """The prefix caches of all lanes [lanes, units + 1]; see State."""

    refs: IntArray
    older: IntArray
    newer: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """names [units]: the ids of the requests' blocks behind the numbers; block_ids: blocks of all
    requests at hand, as numbers.
    """

    names: IntArray
    block_ids: IntArray
    tables: UnitTables


def no_units(lanes: int) -> Units:
    """Empty caches."""
    ring = np.zeros((lanes, 1), dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    return Units(
        names=nothing,
        block_ids=nothing,
        tables=UnitTables(refs=ring - 1, older=ring.copy(), newer=ring.copy()),
    )


def with_blocks(known: Units, blocks: IntArray) -> Units:
    """Room for the blocks of more requests; what no cache and no request holds any longer is dropped."""
    held = known.names[np.any(known.tables.refs[:, :-1] >= 0, axis=0)]
    listed = np.concatenate([known.names[known.block_ids], blocks])
    names, numbers = np.unique(np.concatenate([held, listed]), return_inverse=True)
    lanes, size = len(known.tables.refs), len(names)
    refs = np.full((lanes, size + 1), -1, dtype=np.int64)
    older, newer = (np.full((lanes, size + 1), size, dtype=np.int64) for _ in range(2))
    place = np.append(np.searchsorted(names, known.names), size)  # of the old numbers, the ring's end last
    kept = np.append(np.isin(known.names, names), True)
    refs[:, place[kept]] = known.tables.refs[:, kept]
    older[:, place[kept]] = place[known.tables.older[:, kept]]
    newer[:, place[kept]] = place[known.tables.newer[:, kept]]
    return Units(
        names=names,
        block_ids=numbers[len(held) :].astype(np.int64),
        tables=UnitTables(refs=refs, older=older, newer=newer),
    )
