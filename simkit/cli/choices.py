"""Flags that ask about several things at once: lists of GPUs, engines and loads, and GPUs as needed."""

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError

AUTO = "auto"
_MOST_PRICE = 1e9
_LISTS = ("gpu", "backend")


def each_choice(flags: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flags for every GPU with every engine: `--gpu a,b --backend c,d` gives four; one without lists."""
    named = {name: _names(name, flags[name]) for name in _LISTS if flags.get(name) is not None}
    return [{**flags, **dict(zip(named, chosen, strict=True))} for chosen in product(*named.values())]


def _names(name: str, text: str) -> list[str]:
    found = [item.strip() for item in text.split(",")]
    if "," not in text:
        return [text]
    if not all(found):
        raise InputError(f"--{name} {text!r}: an empty name in the list; write names with one comma between")
    if name == "backend" and AUTO in found:
        raise InputError(f"--backend {text!r}: auto is every engine already; name engines, or auto alone")
    return list(dict.fromkeys(found))


def gpu_count(text: str) -> int | str:
    """What --total-gpus says: a number, or auto. Raises InputError."""
    if text == AUTO:
        return AUTO
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"--total-gpus {text!r}: expected a whole number of GPUs, or auto with recommend; for example 8"
        ) from None


def requests_in_flight(text: str) -> float | tuple[float, ...]:
    """What --concurrency says: a number, or several with commas between. Raises InputError."""
    try:
        found = tuple(float(item) for item in text.split(","))
    except ValueError:
        raise InputError(
            f"--concurrency {text!r}: expected a number of requests in flight, or with estimate several: "
            "1,2,4,8"
        ) from None
    return found if "," in text else found[0]


def refuse_several(flags: Mapping[str, Any]) -> None:
    """Raise InputError for a flag that still holds what only some verbs take, and they have taken out."""
    if flags.get("total_gpus") == AUTO:
        raise InputError("--total-gpus auto: recommend finds how many are needed; give a number of GPUs here")
    if isinstance(flags.get("concurrency"), tuple):
        raise InputError("--concurrency: estimate alone draws a curve over several; give one number here")


def paid_for(price: str | float | None, gpu: str | None) -> float | None:
    """What a GPU costs an hour: as a flag says it, or a deployment of ours; None where neither does."""
    return gpu_hour_price(price, gpu) if isinstance(price, str) else price


def gpu_hour_price(text: str, gpu: str | None) -> float:
    """What --gpu-hour-price says of a GPU: one price, GPU=PRICE for each, or a YAML file that maps them.

    Raises InputError for what is no price, and for a GPU that a list or file leaves out.
    """
    from simkit.catalog.gpus import gpu as known_gpu
    from simkit.io.yamlio import load_document

    if "=" not in text and not Path(text).is_file():
        return _price(text, text)
    pairs = (
        load_document(Path(text)).items()
        if Path(text).is_file()
        else (item.strip().partition("=")[::2] for item in text.split(","))
    )
    prices = {known_gpu(str(name).strip()).name: _price(value, text) for name, value in pairs}
    if gpu is None:
        raise InputError(f"--gpu-hour-price {text}: prices by GPU need a GPU; give --gpu")
    name = known_gpu(gpu).name
    if name not in prices:
        raise InputError(f"--gpu-hour-price {text}: no price for {name}; add {name}=PRICE")
    return prices[name]


def _price(value: Any, text: str) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not 0 <= found < _MOST_PRICE:
        raise InputError(
            f"--gpu-hour-price {text!r}: expected a price such as 2.5, h100_sxm=2.5,b200_sxm=5, or a YAML "
            "file of such pairs"
        )
    return found
