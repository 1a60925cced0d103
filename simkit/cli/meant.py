"""What a deployment of ours was made for: GPU, lengths, load, SLA, calibration; flags go before."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simkit.cli.request_flags import request_from_flags
from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.formats.dgd.asked import asked_text
from simkit.formats.user_calibration import named_from

if TYPE_CHECKING:
    from simkit.formats.dgd.read import ParsedDgd

_LOAD = ("concurrency", "request_rate")
_LENGTHS = ("isl", "osl", "prefix_hit")
_MACHINE = ("gpus_per_node", "vram_mb", "gpu_hour_price")
_BOUNDS = ("ttft", "itl", "e2e_latency")


class Meant(NamedTuple):
    """A request as a deployment was made for it, the flags that make it, and in words what was taken."""

    request: Request
    flags: dict[str, Any]
    taken: str


def dgd_in(path: Path) -> Path:
    """The DGD of a folder that `recommend -o` wrote, or the file itself. Raises InputError without one."""
    if not path.is_dir():
        return path
    if not (path / "dgd.yaml").is_file():
        raise InputError(f"{path}: holds no dgd.yaml; give a DGD, or a folder of recommend -o")
    return path / "dgd.yaml"


def request_meant(
    path: Path, parsed: "ParsedDgd", flags: Mapping[str, Any], *, measured: bool = False, traced: bool = False
) -> Meant:
    """The request around the deployment in a file, as it was made for where flags leave it open.

    measured: a run says lengths and load, and is held to no bound; traced: a trace says the load.
    """
    known = dict(parsed.asked)
    if known.get("calibration") and flags.get("calibration") is None:
        known["calibration"] = named_from(path.parent, known["calibration"])
    elsewhere = (*_LOAD, *_LENGTHS, *_BOUNDS) if measured else _LOAD if traced else ()
    merged, taken = as_meant({name: v for name, v in known.items() if name not in elsewhere}, flags)
    words = f"{path}: asked as it was made for, {taken}; flags go before" if taken else ""
    return Meant(request_from_flags(None, merged, model=parsed.model), merged, words)


def as_meant(known: Mapping[str, Any], flags: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The flags with what is known where they leave it open, and in words what was taken.

    A load, a machine and an SLA are each taken whole or not at all.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    left = dict(known)
    for names, said in ((_LOAD, False), (_MACHINE, "gpu" in given), (_BOUNDS, False)):
        if said or given.keys() & set(names):
            left = {name: value for name, value in left.items() if name not in names}
    taken = {name: value for name, value in left.items() if value is not None and name not in given}
    return {**flags, **taken}, asked_text({name: v for name, v in taken.items() if name != "model"})
