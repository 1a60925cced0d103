"""What a worker of the mocker keeps about requests, and the settings it obeys."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

BlockNames = Callable[[int, int], Hashable]  # number of a block, its tokens -> what it holds


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRules:
    """The mocker's engine arguments by their names; role is aggregated, prefill or decode."""

    block_size: int = 64
    num_gpu_blocks: int = 16384
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    enable_prefix_caching: bool = True
    enable_chunked_prefill: bool = True
    preemption_mode: str = "lifo"
    engine_type: str = "vllm"
    role: str = "aggregated"

    @property
    def evicts(self) -> bool:
        """Whether sequences are preempted; if not, room for the whole output is asked for at admission."""
        return self.engine_type != "trtllm"


@dataclass(slots=True, eq=False)
class Sequence:
    """A request inside a worker."""

    index: int
    isl: int
    osl: int
    names: BlockNames
    computed: int = 0
    generated: int = 0
    blocks: list[int] = field(default_factory=list)
    preemptions: int = 0

    @property
    def length(self) -> int:
        """Tokens that are known."""
        return self.isl + self.generated


@dataclass(slots=True)
class Pass:
    """A pass while it is put together. work: per sequence its tokens, its prompt tokens, where they begin."""

    budget: int
    work: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    preempted: bool = False

    def prefill_tokens(self) -> int:
        """Prompt tokens as the table is asked for them: sequences times a mean, rounded down twice."""
        prompts = [(begin, tokens) for _, tokens, begin in self.work.values() if tokens > 0]
        if not prompts:
            return 0
        ends = sum(begin + tokens for begin, tokens in prompts) // len(prompts)
        begins = sum(begin for begin, _ in prompts) // len(prompts)
        return len(prompts) * max(ends - begins, 0)
