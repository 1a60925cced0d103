"""Where each setting of an engine was read: its flag or key, and the file and line."""

from collections.abc import Iterator
from dataclasses import dataclass

from simkit.core.engine import EngineOptions
from simkit.core.placed import place_of
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingPlace:
    """One setting of one engine. given is the flag or key, '' where the engine's own value is taken."""

    engine: str
    setting: str
    value: str
    given: str = ""
    place: str = ""


# Fields of the flag table, and what people call them.
_SETTINGS = (
    ("model", "model"), ("served_name", "served name"), ("tp", "tensor parallel"),
    ("pp", "pipeline parallel"), ("dp", "data parallel"), ("shared_attention", "shared attention"),
    ("ep", "expert parallel"), ("role", "role"), ("quantization", "quantisation"),
    ("kv_dtype", "cache format"),
    ("max_num_seqs", "sequences"), ("token_budget", "tokens a step"), ("whole_budget", "prefill tokens"),
    ("memory_frac", "share of memory"), ("cache_tokens", "cache tokens"), ("cache_blocks", "cache blocks"),
    ("cache_bytes", "cache bytes"), ("max_model_len", "longest request"), ("block_tokens", "cache block"),
    ("prefix_on", "prefix caching"), ("prefix_off", "no prefix caching"), ("eager", "no CUDA graphs"),
    ("graphs", "CUDA graphs"), ("mixed", "mixed chunks"), ("speculative", "speculative decoding"),
    ("poll", "steps between looks"), ("hold", "steps prompts wait"),
)  # fmt: skip
_OWN = {
    "max_num_seqs": "max_num_seqs", "token_budget": "max_num_batched_tokens", "memory_frac": "memory_frac",
    "block_tokens": "kv_block_tokens",
}  # fmt: skip


def origins(name: str, flags: Flags, engine: EngineOptions) -> Iterator[SettingPlace]:
    """Every setting that the flags of an engine say, and those that are its own where they are silent."""
    table = engine_spec(engine.backend).flags
    for field, setting in _SETTINGS:
        names = getattr(table, field)
        found = [(flag, values) for flag, values in flags.items if flag in names]
        if found:
            flag, values = found[-1]
            place = place_of(flag) or next(filter(None, map(place_of, values)), "")
            yield SettingPlace(
                engine=name, setting=setting, value=" ".join(values), given=str(flag), place=place
            )
        elif field in _OWN and (value := getattr(engine, _OWN[field])) is not None:
            yield SettingPlace(engine=name, setting=setting, value=f"{value:g}" if value < 1 else str(value))
