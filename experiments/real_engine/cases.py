"""Which loads are measured, which of them the step times are fitted on, and the engine's settings."""

from dataclasses import dataclass

from simkit.core.engine import EngineOptions
from simkit.engines.registry import default_engine

OSL = 48
TOKEN_BUDGET, MOST_SEQUENCES = 2048, 64
MODEL = {
    "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 16,
    "num_key_value_heads": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One closed loop. fitted: the step times may see it."""

    isl: int
    concurrency: int
    requests: int
    fitted: bool

    @property
    def name(self) -> str:
        """As its files are called."""
        return f"isl{self.isl}-c{self.concurrency}"


CASES = (
    Case(128, 1, 16, fitted=True),
    Case(128, 2, 24, fitted=False),
    Case(128, 4, 32, fitted=True),
    Case(128, 8, 40, fitted=False),
    Case(128, 12, 48, fitted=False),
    Case(128, 16, 64, fitted=True),
    Case(384, 4, 24, fitted=True),
    Case(256, 6, 30, fitted=False),
    Case(384, 8, 24, fitted=False),
    Case(128, 24, 72, fitted=False),
)

# Measured after the form of the step times was settled (the history of this folder says when).
AFTERWARDS = ("isl256-c6", "isl384-c8", "isl128-c24")


def engine() -> EngineOptions:
    """How the engine is started."""
    return default_engine(
        "vllm",
        max_num_seqs=MOST_SEQUENCES,
        max_num_batched_tokens=TOKEN_BUDGET,
        prefix_caching=False,
        cuda_graphs=False,
    )
