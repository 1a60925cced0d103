"""The flag `--precision`: the checkpoint of the model that is stored in a number format."""

from collections.abc import Mapping
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.dgdr.read import set_path

PRECISION = "--precision"
PRECISION_HELP = "The model's checkpoint in this format: bf16, fp8, nvfp4 ..."


def in_precision(
    document: dict[str, Any], precision: str, *, named: str | None
) -> tuple[dict[str, Any], str]:
    """The request with the checkpoint in that format, and what that means; named: a deployment's model."""
    from simkit.catalog.checkpoints import checkpoint_in

    if named is not None:
        raise InputError(
            f"{PRECISION} {precision}: the deployment serves {named} as it is stored; drop the flag, or ask "
            "about a layout of another checkpoint"
        )
    model, words = checkpoint_in(str((document.get("spec") or {}).get("model") or ""), precision)
    return set_path(document, "model", model.name), words


def precision_notes(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """What the flag means for the model that flags name."""
    from simkit.catalog.checkpoints import checkpoint_in

    if flags.get("precision") is None:
        return ()
    return (checkpoint_in(flags["model"], flags["precision"])[1],)
