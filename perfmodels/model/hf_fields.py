"""The fields of a Hugging Face config.json: names that families give to one size, and which nobody read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Config = Mapping[str, Any]

EXPERT_COUNTS = (
    "n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "num_routed_experts",
    "moe_num_routed_experts", "num_moe_experts", "n_experts",
)  # fmt: skip
TOP_K = (
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk", "moe_k",
    "moe_top_k", "num_experts_per_topk", "num_selected_experts",
)  # fmt: skip
EXPERT_SIZES = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "intermediate_size")
KV_HEADS = (
    "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups",
    "num_query_groups",
)  # fmt: skip

# Words that a size of the model bears in its name.
_BEARING = re.compile(
    r"expert|moe|mamba|ssm|conv|layer_type|attn_type|block_type|lora_rank|linear|groups?_num"
)
# Of those, what decides which experts a token takes, or training, not how many there are or how wide.
_HARMLESS = re.compile(
    r"aux|loss|norm|scal|score|scoring|router|routing|jitter|bias|drop|capacity|backend|kernel_|renorm|method|"
    r"use_|_act|mtp|balance|init|padding|capture|top_?k_group|n_group|group_topk|gate|hash|parallel|sink|dtype|"
    r"rope|_freq$|layer_freq|swiglu|limit|chunk_size|time_step|dt_|rms|expand$|proj|z_loss"
)


class ReadConfig(dict[str, Any]):
    """A config that remembers which of its fields were read."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """The field, noted as read."""
        self.read.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def unread(self) -> Iterator[str]:
        """Fields whose name says that they bear on the shape, and that no rule has read."""
        for key, value in self.items():
            bears = _BEARING.search(key) and not _HARMLESS.search(key)
            if key not in self.read and bears and value not in (None, False, 0, 1, "", [], {}):
                yield key


def block(config: Config, name: str) -> Config:
    """A field that holds fields of its own, empty where it is not set. Raises ValueError for other values."""
    found = config.get(name) or {}
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is no object")
    return found


def first(config: Config, names: tuple[str, ...], default: int = 0) -> int:
    """The first of `names` that is set, as an integer; of one per layer, the largest."""
    given = [value for value in map(config.get, names) if value]
    if not given:
        return default
    return max(int(item) for item in given[0]) if isinstance(given[0], list) else int(given[0])
