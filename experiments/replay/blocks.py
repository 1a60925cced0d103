"""The mocker's KV cache: blocks that sequences hold, and named ones that stay for others to find.

The rules are those of ai-dynamo 1.4.2, lib/mocker/src/cache/vllm_block_pool.rs, in our own words.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class _Block:
    name: Hashable | None
    users: int


class BlockPool:
    """So many blocks. A named block that nobody uses stays until its place is needed, oldest first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._blocks: dict[int, _Block] = {}
        self._by_name: dict[Hashable, list[int]] = {}
        self._idle: dict[int, None] = {}
        self._next = 0

    @property
    def in_use(self) -> int:
        """Blocks that some sequence holds."""
        return len(self._blocks) - len(self._idle)

    def is_idle(self, block: int) -> bool:
        """Whether nobody uses it."""
        return block in self._idle

    def find(self, name: Hashable) -> int | None:
        """The oldest block of that name."""
        known = self._by_name.get(name)
        return known[0] if known else None

    def take(self, found: Sequence[int], fresh: int) -> list[int] | None:
        """Use the blocks that were found and so many new ones; None, and nothing done, without room."""
        evictions = max(fresh - (self.capacity - len(self._blocks)), 0)
        if evictions > len(self._idle) - sum(block in self._idle for block in found):
            return None
        for block in found:
            self._idle.pop(block, None)
            self._blocks[block].users += 1
        for _ in range(evictions):
            self._evict(next(iter(self._idle)))
        new = list(range(self._next, self._next + fresh))
        self._next += fresh
        self._blocks.update((block, _Block(None, 1)) for block in new)
        return [*found, *new]

    def name(self, block: int, name: Hashable) -> None:
        """Let others find a block; a second copy of a name stays a block of its own."""
        if self._blocks[block].name is None:
            self._blocks[block].name = name
            self._by_name.setdefault(name, []).append(block)

    def release(self, blocks: Sequence[int]) -> None:
        """Give back a sequence's blocks, its last one first."""
        for block in reversed(blocks):
            entry = self._blocks[block]
            entry.users -= 1
            if entry.users == 0 and entry.name is None:
                del self._blocks[block]
            elif entry.users == 0:
                self._idle[block] = None

    def _evict(self, block: int) -> None:
        name = self._blocks.pop(block).name
        del self._idle[block]
        self._by_name[name].remove(block)
        if not self._by_name[name]:
            del self._by_name[name]
