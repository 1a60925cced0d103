"""Flags shared by recommend and estimate: each is a field of the DGDR, set before it is checked."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from simkit.cli.flag_groups import keyword, plain_flag, with_flags
from simkit.core.errors import InputError, unknown_name
from simkit.core.request import Request
from simkit.io.dgdr import (
    current_document,
    parse_setting,
    read_document,
    request_from_document,
    set_path,
)

_PANEL = "Request"
_MODES = {"agg": ("agg",), "disagg": ("disagg",), "both": ("agg", "disagg")}


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    kind: Any
    path: str
    help: str


_FLAGS = (
    _Flag("model", str, "model", "Hugging Face id, or a folder or config.json."),
    _Flag("backend", str, "backend", "auto, vllm, sglang or trtllm."),
    _Flag("gpu", str, "hardware.gpuSku", "GPU, for example h200_sxm."),
    _Flag("total_gpus", int, "hardware.totalGpus", "GPUs in the cluster."),
    _Flag("gpus_per_node", int, "hardware.numGpusPerNode", "GPUs in a node."),
    _Flag("vram_mb", float, "hardware.vramMb", "Memory of one GPU in MiB, instead of the catalogue's."),
    _Flag("isl", int, "workload.isl", "Input tokens of a request."),
    _Flag("osl", int, "workload.osl", "Output tokens of a request."),
    _Flag("concurrency", float, "workload.concurrency", "Requests in flight."),
    _Flag("request_rate", float, "workload.requestRate", "Requests per second."),
    _Flag("ttft", float, "sla.ttft", "Bound on mean time to first token [ms]."),
    _Flag("itl", float, "sla.itl", "Bound on mean inter-token latency [ms]."),
    _Flag("e2e_latency", float, "sla.e2eLatency", "Bound on mean request latency [ms], instead of the two."),
    _Flag("search_strategy", str, "searchStrategy", "rapid or thorough."),
)
# A flag replaces what the file says the other way.
_REPLACES = {
    "concurrency": ("requestRate",),
    "request_rate": ("concurrency",),
    "e2e_latency": ("ttft", "itl"),
    "ttft": ("e2eLatency",),
    "itl": ("e2eLatency",),
}


def _shared() -> list[inspect.Parameter]:
    fields = [plain_flag(_PANEL, f.name, f.kind, ("--" + f.name.replace("_", "-"), f.help)) for f in _FLAGS]
    text = "Set any field, for example sla.ttft=300."
    setting = typer.Option("--set", metavar="PATH=VALUE", help=text, rich_help_panel=_PANEL)
    mode = plain_flag(_PANEL, "mode", str, ("--mode", "agg, disagg or both."))
    return [*fields, mode, keyword(list[str], setting, "settings")]


with_request_flags = with_flags("flags", _shared())


def request_from_flags(path: Path | None, flags: Mapping[str, Any], *, model: str | None = None) -> Request:
    """The request in a DGDR file, changed by flags; without a file the flags are the request.

    model is taken where neither names one (a DGD does).
    """
    _refuse_conflicts(flags)
    written = read_document(path) if path else _skeleton(flags.get("model") or model)
    # Flags are named after v1beta1 fields, so an older document is brought there before they are set.
    changes = any(flags.get(flag.name) is not None for flag in _FLAGS) or flags.get("settings")
    current, notes = current_document(written) if changes else (written, ())
    document = dict(current)
    for flag in _FLAGS:
        value = flags.get(flag.name)
        if value is not None:
            document = set_path(_without(document, flag), flag.path, value)
    for setting in flags.get("settings") or ():
        document = set_path(document, *parse_setting(setting))
    request = request_from_document(document, str(path) if path else "flags")
    warnings = (*notes, *request.warnings)
    return replace(request, modes=_modes(flags.get("mode")), warnings=warnings)


def _refuse_conflicts(flags: Mapping[str, Any]) -> None:
    """Two flags that stand in for each other cannot both be given."""
    for one, other in (("concurrency", "request_rate"), ("e2e_latency", "ttft"), ("e2e_latency", "itl")):
        if flags.get(one) is not None and flags.get(other) is not None:
            pair = " and ".join("--" + name.replace("_", "-") for name in (one, other))
            raise InputError(f"{pair} exclude each other; drop one of them")


def _modes(name: str | None) -> tuple[str, ...]:
    if name is None:
        return _MODES["both"]
    if name not in _MODES:
        raise unknown_name("mode", name, _MODES, f"expected one of {', '.join(_MODES)}")
    return _MODES[name]


def _without(document: dict[str, Any], flag: _Flag) -> dict[str, Any]:
    """The document without the fields that this flag stands in for."""
    block = flag.path.split(".")[0]
    for name in _REPLACES.get(flag.name, ()):
        inner = (document.get("spec") or {}).get(block)
        if isinstance(inner, dict) and name in inner:
            inner = {key: value for key, value in inner.items() if key != name}
            document = set_path(document, block, inner)
    return document


def _skeleton(model: str | None) -> dict[str, Any]:
    if not model:
        raise InputError("no request: give a DGDR file, or --model with --gpu and --total-gpus")
    name = "".join(c if c.isalnum() else "-" for c in Path(model).name.lower()).strip("-")[:40].strip("-")
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": name or "simkit"},
        "spec": {"model": model},
    }
