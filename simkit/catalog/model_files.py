"""Reading one model: a catalogue file, or a folder as Hugging Face lays it out; what its id says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.io.reading import Bounds, read_json_object

_FILE = Bounds(most=50_000_000, remedy="fetch the file again")  # an index of weights names every tensor

# --- What a model id says: organisation, architecture, number format, and the rest of its suffixes.


# Words that change weights but not shapes; four-digit dates do the same.
_VARIANTS = frozenset(
    {"instruct", "chat", "it", "pt", "base", "hf", "thinking", "exp", "preview", "meta", "nvidia"}
)
_DATE = re.compile(r"^\d{4}$")
_FORMATS = (  # the first row with a word of the name decides
    ({"w4a8", "w4afp8"}, "w4a8"),
    ({"mxfp4"}, "mxfp4"),
    ({"nvfp4", "fp4", "nvfp4a16"}, "nvfp4"),
    ({"w8a16", "int8wo"}, "int8_wo"),
    ({"int8", "8bit", "w8a8"}, "int8"),
    ({"int4", "4bit", "w4a16", "awq", "gptq", "autoround", "bnb", "nf4", "int4wo"}, "int4_wo"),
    ({"mxfp8"}, "mxfp8"),
    ({"fp8"}, "fp8"),
    ({"bf16"}, "bf16"),
)
_MARKERS = frozenset().union(*(words for words, _ in _FORMATS), {"quantized"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedName:
    """A model id in parts, all lower case.

    base names the architecture; number_format is a name of perfmodels.model.dtypes when the suffix
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """What is known about a model before its shape is computed.

    name is the id to deploy. config and hf_quant_config are the parsed Hugging Face files;
    precision_hint, when set, is a name of perfmodels.model.dtypes that replaces the precision in config.
    weight_bytes is the true size of the weights on disk [bytes], None when they are not at hand;
    weight_params how many parameters their index says there are.
    """

    name: str
    config: Mapping[str, Any]
    hf_quant_config: Mapping[str, Any] | None = None
    source: str = ""
    weight_bytes: float | None = None
    weight_params: float | None = None
    notes: tuple[str, ...] = ()
    precision_hint: str | None = None


def read_folder(path: Path, name: str) -> ModelEntry:
    """The model in a folder, or beside a config.json. Raises InputError naming what is missing."""
    config_path = path / "config.json" if path.is_dir() else path
    if not config_path.is_file():
        raise InputError(
            f"{name}: expected a model folder with a config.json, or that file; "
            "correct the path or give a catalogue id such as Qwen/Qwen3-32B"
        )
    folder = config_path.parent
    quant_path = folder / "hf_quant_config.json"
    return ModelEntry(
        name=str(folder) if config_path.name == "config.json" else name,
        config=read_json(config_path),
        hf_quant_config=read_json(quant_path) if quant_path.is_file() else None,
        source=str(config_path),
        weight_bytes=_weight_bytes(folder),
        weight_params=_indexed(folder, "total_parameters"),
    )


def read_entry(folder: Path, model_id: str) -> ModelEntry:
    """The catalogue's entry `model_id`; a file with `like` states only what differs from that entry."""
    path = folder / f"{model_id.replace('/', '--', 1)}.json"
    document = read_json(path)
    if not isinstance(document.get("config"), dict):
        raise InputError(
            f"{path}: expected a field 'config' with the fields of config.json; see data/README.md"
        )
    config = dict(document["config"])
    if base := document.get("like"):
        config = {**read_entry(folder, base).config, **config}
    return ModelEntry(
        name=model_id,
        config={key: value for key, value in config.items() if value is not None},
        hf_quant_config=document.get("hf_quant_config"),
        source=str(document.get("source", "")),
        notes=_notes(document),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises InputError with the file and the fault."""
    return read_json_object(path, _FILE)


def _notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    confidence, note = document.get("confidence"), document.get("note")
    doubt = (
        (f"{document.get('id')}: {confidence}, not copied",) if confidence in ("recalled", "derived") else ()
    )
    return (*doubt, str(note)) if note else doubt


def _weight_bytes(folder: Path) -> float | None:
    if total := _indexed(folder, "total_size"):
        return total
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    return float(sum(sizes)) if sizes else None


def _indexed(folder: Path, key: str) -> float | None:
    """A total of the weights' index; None where there is none."""
    index = folder / "model.safetensors.index.json"
    metadata = read_json(index).get("metadata") if index.is_file() else None
    total = metadata.get(key) if isinstance(metadata, dict) else None
    return float(total) if isinstance(total, int | float) and total > 0 else None
