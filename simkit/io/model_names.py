"""What a model id says: organisation, architecture, number format, and the rest of its suffixes."""

import re
from dataclasses import dataclass

# Words that change weights but not shapes; four-digit dates do the same.
_VARIANTS = frozenset(
    {"instruct", "chat", "it", "pt", "base", "hf", "thinking", "exp", "preview", "meta", "nvidia"}
)
_DATE = re.compile(r"^\d{4}$")
_FORMATS = (  # the first row with a word of the name decides
    ({"w4a8", "w4afp8"}, "w4a8"),
    ({"mxfp4"}, "mxfp4"),
    ({"nvfp4", "fp4", "nvfp4a16"}, "nvfp4"),
    ({"w8a16"}, "int8_wo"),
    ({"int8", "8bit", "w8a8"}, "int8"),
    ({"int4", "4bit", "w4a16", "awq", "gptq", "autoround"}, "int4_wo"),
    ({"fp8"}, "fp8"),
    ({"bf16"}, "bf16"),
)
_MARKERS = frozenset().union(*(words for words, _ in _FORMATS), {"quantized"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedName:
    """A model id in parts, all lower case.

    base names the architecture; number_format is a name of perfmodels.dtypes when the suffix
    gives one; variants are the dropped words (instruct, 2507, ...).
    """

    organisation: str
    base: str
    number_format: str | None
    variants: frozenset[str]


def parse_model_name(name: str) -> ParsedName:
    """Split `RedHatAI/Qwen3-32B-FP8-dynamic` into redhatai, qwen3-32b, fp8 and {dynamic}."""
    organisation, _, own = name.strip().lower().rpartition("/")
    words = [word for word in re.split(r"[-_.\s]+", own) if word]
    cut = next((index for index, word in enumerate(words) if index and word in _MARKERS), len(words))
    stem, tail = words[:cut], words[cut:]
    kept = [word for word in stem if word not in _VARIANTS and not _DATE.match(word)]
    number_format = _number_format(tail)
    if number_format == "fp8" and organisation == "qwen" and len(tail) == 1:
        number_format = "fp8_block"  # Qwen publishes its -FP8 weights in 128x128 blocks
    dropped = frozenset(word for word in (*stem, *tail) if word not in kept and word not in _MARKERS)
    return ParsedName(
        organisation=organisation, base="-".join(kept), number_format=number_format, variants=dropped
    )


def _number_format(tail: list[str]) -> str | None:
    words = set(tail)
    if {"gptq", "awq"} & words and {"int8", "8bit"} & words:
        return "int8_wo"
    return next((name for markers, name in _FORMATS if markers & words), None)
