"""What a deployment of ours was made for: GPU, lengths, load and SLA, where flags do not say otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.dgd.asked import asked_text

_LOAD = ("concurrency", "request_rate")
_MACHINE = ("gpus_per_node", "vram_mb")
_BOUNDS = ("ttft", "itl", "e2e_latency")


def dgd_in(path: Path) -> Path:
    """The DGD of a folder that `recommend -o` wrote, or the file itself. Raises InputError without one."""
    if not path.is_dir():
        return path
    if not (path / "dgd.yaml").is_file():
        raise InputError(f"{path}: holds no dgd.yaml; give a DGD, or a folder of recommend -o")
    return path / "dgd.yaml"


def as_meant(
    known: Mapping[str, Any], flags: Mapping[str, Any], *, own_load: bool = False
) -> tuple[dict[str, Any], str]:
    """The flags with what is known where they leave it open, and in words what was taken.

    A load, a machine and an SLA are each taken whole or not at all. own_load: the load comes from elsewhere.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    left = dict(known)
    for names, said in ((_LOAD, own_load), (_MACHINE, "gpu" in given), (_BOUNDS, False)):
        if said or given.keys() & set(names):
            left = {name: value for name, value in left.items() if name not in names}
    taken = {name: value for name, value in left.items() if value is not None and name not in given}
    return {**flags, **taken}, asked_text({name: v for name, v in taken.items() if name != "model"})
