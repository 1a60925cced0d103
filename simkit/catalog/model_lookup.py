"""Models by id, by path, or by a name close enough to a catalogue entry to share its shape."""

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from simkit.catalog.model_files import ModelEntry, ParsedName, parse_model_name, read_entry, read_folder
from simkit.core.errors import UnknownNameError, unknown_name
from simkit.io.paths import data_dir

_REMEDY = "give a path to its config.json with --model"
_LONGEST = 200  # characters of a name in a message
_Index = Mapping[str, ParsedName]  # catalogue id → its parts

# How well an entry fits a name of the same base, best first.
_SAME, _PLAIN, _SAME_FORMAT, _OTHER_FORMAT = range(4)


def model_names() -> list[str]:
    """Every id of the catalogue."""
    return sorted(_index())


def organisations() -> frozenset[str]:
    """Who publishes the models of the catalogue, in lower case."""
    return frozenset(parts.organisation for parts in _index().values())


def model_config(name_or_path: str) -> ModelEntry:
    """The model called `name_or_path`: a folder or config.json, or a Hugging Face id.

    An id need not be in the catalogue: case, organisation, tuning suffixes (-Instruct, -2507) and
    number formats (-FP8, -AWQ) are looked through, with a note and a precision hint. Raises
    InputError for a path without config.json, UnknownNameError with the nearest ids otherwise.
    """
    if _is_path(name_or_path):
        return read_folder(Path(name_or_path).expanduser(), name_or_path)
    index = _index()
    if exact := _exact(name_or_path, index):
        return read_entry(_folder(), exact)
    return _by_shape(name_or_path, index)


def _is_path(text: str) -> bool:
    if text.startswith((".", "/", "~")) or text.endswith(".json"):
        return True
    try:
        return (Path(text) / "config.json").is_file()
    except (OSError, ValueError):  # longer than a path may be, or with a character that none holds
        return False


def _folder() -> Path:
    return data_dir() / "models"


def _index() -> _Index:
    folder = _folder()
    stamp = folder.stat().st_mtime_ns if folder.is_dir() else 0
    return _scan(folder, stamp)


@lru_cache(maxsize=4)
def _scan(folder: Path, stamp: int) -> _Index:
    """Ids and their parts from file names alone; `stamp` tells a changed folder from a known one."""
    del stamp
    ids = (path.stem.replace("--", "/", 1) for path in folder.glob("*.json"))
    return {model_id: parse_model_name(model_id) for model_id in ids}


def _exact(name: str, index: _Index) -> str | None:
    if name in index:
        return name
    wanted = name.strip().lower()
    with_org = "/" in wanted
    found = [key for key in index if (key if with_org else key.split("/")[-1]).lower() == wanted]
    return min(found, default=None)


def _by_shape(name: str, index: _Index) -> ModelEntry:
    wanted = parse_model_name(name)
    ranked = sorted(
        (_fit(wanted, parts), len(wanted.variants ^ parts.variants), model_id)
        for model_id, parts in index.items()
        if parts.base == wanted.base
    )
    if not ranked:
        raise _unknown(name, index)
    fit, _, model_id = ranked[0]
    entry = read_entry(_folder(), model_id)
    changes: dict[str, Any] = {"name": _deploy_name(name, wanted, fit, model_id)}
    notes = [f"matched to catalogue entry {model_id}"]
    if fit == _OTHER_FORMAT:
        changes |= {"config": _without_quantisation(entry.config), "hf_quant_config": None}
        notes.append(f"the quantisation of {model_id} was set aside")
    if wanted.number_format and fit in (_PLAIN, _OTHER_FORMAT):
        changes["precision_hint"] = wanted.number_format
        notes.append(f"precision {wanted.number_format} taken from the name")
    return dataclasses.replace(entry, **changes, notes=(*notes, *entry.notes))


def _fit(wanted: ParsedName, entry: ParsedName) -> int:
    at_home = wanted.organisation in ("", entry.organisation)
    plain = entry.number_format in (None, "bf16")
    if wanted.number_format is None:
        return (_SAME if at_home else _PLAIN) if plain else _OTHER_FORMAT
    same = (
        wanted.number_format.split("_block")[0] == str(entry.number_format).split("_block")[0] and not plain
    )
    if same:
        return _SAME if at_home else _SAME_FORMAT
    return _PLAIN if plain else _OTHER_FORMAT


def _deploy_name(name: str, wanted: ParsedName, fit: int, model_id: str) -> str:
    """The user's id; one given without organisation takes that of an entry in the same format."""
    borrowable = fit == _SAME or wanted.number_format is None
    if wanted.organisation or not borrowable:
        return name
    return f"{model_id.partition('/')[0]}/{name}" if "/" in model_id else name


def _without_quantisation(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key != "quantization_config"}
    return {
        key: _without_quantisation(value) if key == "text_config" else value for key, value in kept.items()
    }


def _unknown(name: str, index: _Index) -> UnknownNameError:
    shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    return unknown_name("model", shown, index, _REMEDY)
