"""What a deployment was made for, as an annotation that simkit writes and reads: flags and their values."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.formats.user_calibration import named_calibration

ASKED_ANNOTATION = "simkit.io/asked"
_BOUNDS = {"ttft": "ttft_s", "itl": "itl_s", "e2e_latency": "e2e_s"}
# What may stand there and how it is read. A file is named with its content's hash: no other is opened for it.
_READ: Mapping[str, Callable[[str], Any]] = {
    "gpu": str, "gpus_per_node": int, "vram_mb": float, "isl": int, "osl": int, "concurrency": float,
    "request_rate": float, "prefix_hit": float, "ttft": str, "itl": str, "e2e_latency": str,
    "gpu_hour_price": float, "calibration": str,
}  # fmt: skip


def asked_flags(request: Request, concurrency: float, folder: Path = Path()) -> dict[str, Any]:
    """What was asked, by the names of flags; concurrency is the load that was chosen where none was given.

    folder is the one that the DGD goes to: a calibration is named as seen from there.
    """
    hardware, workload = request.hardware, request.workload
    rate, slots = workload.request_rate_per_s, workload.concurrency
    return {
        "gpu": hardware.gpu,
        "gpus_per_node": hardware.gpus_per_node,
        "vram_mb": hardware.vram_mb,
        "isl": round(workload.isl_tokens),
        "osl": round(workload.osl_tokens),
        "request_rate": rate,
        "concurrency": None if rate else slots or float(f"{max(1.0, concurrency):.6g}"),
        "prefix_hit": workload.prefix_hit or None,
        "gpu_hour_price": request.gpu_hour_price,
        **_bounds(request.slo),
        "calibration": request.own and named_calibration(request.own, folder),
    }


def _bounds(slo: Slo) -> dict[str, str | None]:
    """The bounds that were asked for; Dynamo's defaults were not."""
    if slo.assumed:
        return {}
    given = {name: slo.bounds.get(field) for name, field in _BOUNDS.items()}
    return {
        name: None if bound is None else f"{slo.statistic_of(_BOUNDS[name])}:{1e3 * bound:g}"
        for name, bound in given.items()
    }


def asked_text(flags: Mapping[str, Any]) -> str:
    """Flags as they would be typed."""
    given = {name: value for name, value in flags.items() if value is not None}
    words = [(_word(name), f"{v:g}" if isinstance(v, float) else str(v)) for name, v in given.items()]
    return shlex.join(part for pair in words for part in pair)


def read_asked(text: str) -> dict[str, Any]:
    """The flags of an annotation. Raises InputError for what simkit does not write."""
    try:
        words = shlex.split(text)
        names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
        found = {name: _READ[name](value) for name, value in zip(names, words[1::2], strict=True)}
    except (ValueError, KeyError) as error:
        raise InputError(
            f"metadata.annotations.{ASKED_ANNOTATION} {text[:80]!r}: expected flags such as --gpu h200_sxm "
            f"--isl 4000 ({error}); correct or remove it"
        ) from error
    return found


def _word(name: str) -> str:
    return "--" + name.replace("_", "-")
