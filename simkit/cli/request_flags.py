"""Flags shared by the verbs that take a request: fields of the DGDR, of its cluster, of its settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import typer

from simkit.cli.choices import gpu_count, paid_for, refuse_several, requests_in_flight
from simkit.cli.flags.bounds import bounds_of, refuse_seconds, with_own_statistics
from simkit.cli.flags.calibration import CALIBRATION, CALIBRATION_HELP, own_runs
from simkit.cli.flags.groups import Command, keyword, plain_flag, with_flags
from simkit.cli.flags.precision import PRECISION, PRECISION_HELP, in_precision
from simkit.core.errors import InputError, unknown_name
from simkit.core.request import ClusterOptions, Request
from simkit.engines.registry import engine_choices
from simkit.formats.dgdr.build import SKU_FIELD
from simkit.formats.dgdr.hardware_file import with_hardware_file
from simkit.formats.dgdr.read import (
    current_document,
    parse_setting,
    read_document,
    request_from_document,
    set_path,
)

# --- Flags for the engines' own settings: what they leave open is searched.


_PANEL = "Engine settings"
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("max_num_seqs", int, "--max-num-seqs", "Most requests that one engine runs at once."),
    ("max_num_batched_tokens", int, "--max-num-batched-tokens", "Tokens of a step; recommend tries several."),
    ("kv_dtype", str, "--kv-dtype", "KV cache: auto, bf16, fp8, or both to search."),
    (
        "speculative", str, "--speculative",
        "Also search with speculative decoding, METHOD:TOKENS:ACCEPTANCE[:MODEL], as in mtp:3:0.8; "
        "methods mtp, eagle, ngram.",
    ),
)  # fmt: skip

with_tuning_flags = with_flags(
    "tuning", [plain_flag(_PANEL, name, kind, (option, text)) for name, kind, option, text in _OPTIONS]
)


def with_tuning(request: Request, tuning: Mapping[str, Any]) -> Request:
    """The request with the settings that were given."""
    from simkit.core.draft import parse_draft

    given = {name: value for name, value in tuning.items() if value is not None and name != "speculative"}
    if tuning.get("speculative"):
        given["draft"] = parse_draft(tuning["speculative"])
    return replace(request, tuning=replace(request.tuning, **given))


# --- Flags for what a DGDR has no field for: how the cluster schedules, stores and connects pods.


_CLUSTER_PANEL = "Cluster"
_CLUSTER_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("model_cache_job", bool, "--with-model-cache-job", "Also write the volume claim and its download Job."),
    ("storage_class", str, "--storage-class", "Storage class of that claim (ReadWriteMany)."),
    ("profiling_job", bool, "--with-profiling-job", "Also write the Job of Dynamo's profiler."),
    ("compilation_cache", str, "--compilation-cache", "Claim that keeps compiled kernels."),
    ("orchestrator", str, "--orchestrator", "Multinode pods: grove or lws (LeaderWorkerSet)."),
    ("kai_queue", str, "--kai-queue", "Queue of KAI scheduler."),
    ("vllm_executor", str, "--vllm-executor", "vLLM across nodes: ray or mp."),
    ("rdma_resource", str, "--rdma-resource", "RDMA device plugin's resource, default rdma/ib."),
    ("node_selector", list[str], "--node-selector", "KEY=VALUE that GPU nodes must carry; repeatable."),
    ("pull_secrets", list[str], "--pull-secret", "Secret for the image registry; repeatable."),
)

with_cluster_flags = with_flags(
    "cluster",
    [plain_flag(_CLUSTER_PANEL, name, kind, (option, text)) for name, kind, option, text in _CLUSTER_OPTIONS],
)


def with_cluster(request: Request, cluster: Mapping[str, Any]) -> Request:
    """The request with the flags that were given."""
    known = {field.name for field in fields(ClusterOptions)}
    given = {name: value for name, value in cluster.items() if name in known and value not in (None, [])}
    if "node_selector" in given:
        given["node_selector"] = _pairs(given["node_selector"])
    if "pull_secrets" in given:
        given["pull_secrets"] = tuple(given["pull_secrets"])
    options = replace(request.deploy.cluster, **given)
    return replace(request, deploy=replace(request.deploy, cluster=options))


def _pairs(items: Sequence[str]) -> dict[str, str]:
    found = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not key or not separator:
            raise InputError(f"--node-selector {item!r}: expected KEY=VALUE, such as pool=h200; write it so")
        found[key] = value
    return found


# --- Flags shared by recommend and estimate: each is a field of the DGDR, set before it is checked.


_REQUEST_PANEL = "Request"
_MODES = {"agg": ("agg",), "disagg": ("disagg",), "both": ("agg", "disagg")}


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    kind: Any
    path: str
    help: str
    parser: Any = None


_FLAGS = (
    _Flag("model", str, "model", "Hugging Face id, or a folder or config.json."),
    _Flag("backend", str, "backend", f"{engine_choices('auto')}; recommend compares a list: a,b."),
    _Flag("gpu", str, "hardware.gpuSku", "GPU, for example h200_sxm; recommend compares a list: a,b."),
    _Flag(
        "total_gpus",
        int,
        "hardware.totalGpus",
        "GPUs in the cluster; recommend: auto, for the load.",
        gpu_count,
    ),
    _Flag("gpus_per_node", int, "hardware.numGpusPerNode", "GPUs in a node."),
    _Flag("vram_mb", float, "hardware.vramMb", "Memory of one GPU in MiB, instead of the catalogue's."),
    _Flag("isl", int, "workload.isl", "Input tokens of a request."),
    _Flag("osl", int, "workload.osl", "Output tokens of a request."),
    _Flag(
        "concurrency",
        float,
        "workload.concurrency",
        "Requests in flight; estimate: 1,2,4,8 as a curve.",
        requests_in_flight,
    ),
    _Flag("request_rate", float, "workload.requestRate", "Requests per second."),
    _Flag("ttft", str, "sla.ttft", "Bound on time to first token [ms]; p95:1000 bounds a percentile."),
    _Flag("itl", str, "sla.itl", "Bound on inter-token latency [ms]; mean:30 as above."),
    _Flag("e2e_latency", str, "sla.e2eLatency", "Bound on request latency [ms], instead of the two."),
    _Flag("search_strategy", str, "searchStrategy", "rapid or thorough."),
)
_NAMES = tuple(flag.name for flag in _FLAGS)
# A flag replaces what the file says the other way.
_REPLACES = {
    "concurrency": ("requestRate",),
    "request_rate": ("concurrency",),
    "e2e_latency": ("ttft", "itl"),
    "ttft": ("e2eLatency",),
    "itl": ("e2eLatency",),
}


def _parameter(flag: _Flag) -> inspect.Parameter:
    word = "--" + flag.name.replace("_", "-")
    if flag.parser is None:
        return plain_flag(_REQUEST_PANEL, flag.name, flag.kind, (word, flag.help))
    option = typer.Option(
        word, help=flag.help, rich_help_panel=_REQUEST_PANEL, parser=flag.parser, metavar="NUMBER"
    )
    return keyword(flag.kind, option, flag.name)


PRICE = "gpu_hour_price"
_HIT_HELP = "Share of prompt tokens found in the prefix cache, from 0 to below 1."

_PRICE_HELP = "Adds cost per token: 2.5, or h100_sxm=2.5,b200_sxm=5, or a YAML file of such pairs."

_HARDWARE_HELP = "File with a hardware: block, as simkit discover writes it; flags go before it."


def _shared() -> list[inspect.Parameter]:
    fields = [_parameter(flag) for flag in _FLAGS]
    text = "Set any field, for example sla.ttft=300."
    setting = typer.Option("--set", metavar="PATH=VALUE", help=text, rich_help_panel=_REQUEST_PANEL)
    mode = plain_flag(_REQUEST_PANEL, "mode", str, ("--mode", "agg, disagg or both."))
    hit = plain_flag(_REQUEST_PANEL, "prefix_hit", float, ("--prefix-hit", _HIT_HELP))
    price = plain_flag(_REQUEST_PANEL, PRICE, str, ("--gpu-hour-price", _PRICE_HELP))
    precision = plain_flag(_REQUEST_PANEL, "precision", str, (PRECISION, PRECISION_HELP))
    hardware = plain_flag(_REQUEST_PANEL, "hardware", Path, ("--hardware", _HARDWARE_HELP))
    named = typer.Option(
        CALIBRATION, metavar="own.json", help=CALIBRATION_HELP, rich_help_panel=_REQUEST_PANEL
    )
    own = keyword(str, named, "calibration")
    return [*fields, mode, precision, hit, price, hardware, keyword(list[str], setting, "settings"), own]


with_request_flags = with_flags("flags", _shared())


def with_request_flags_but(*names: str) -> Callable[[Command], Command]:
    """The decorator without flags that would change nothing of a verb's answer."""
    return with_flags("flags", [flag for flag in _shared() if flag.name not in names])


def request_from_flags(path: Path | None, flags: Mapping[str, Any], *, model: str | None = None) -> Request:
    """The request in a DGDR file, changed by flags; without a file the flags are the request.

    model is taken where neither names one (a DGD does). One bound alone may be asked for by flags; a file
    keeps Dynamo's rule that TTFT and ITL come as a pair.
    """
    _refuse_conflicts(flags)
    bounds = bounds_of(flags)
    flags = {**flags, **{name: bound.value_ms for name, bound in bounds.items()}}
    refuse_several(flags)
    written = read_document(path) if path else _skeleton(flags.get("model") or model)
    # Flags are named after v1beta1 fields, so an older document is brought there before they are set.
    stated = (*_NAMES, "hardware", "precision")
    changes = any(flags.get(name) is not None for name in stated) or flags.get("settings")
    current, notes = current_document(written) if changes else (written, ())
    document = with_hardware_file(current, flags.get("hardware"))
    for flag in _FLAGS:
        value = flags.get(flag.name)
        if value is not None:
            document = set_path(_without(document, flag), flag.path, value)
    for setting in flags.get("settings") or ():
        document = set_path(document, *parse_setting(setting))
    if flags.get("precision") is not None:
        document, stored = in_precision(document, flags["precision"], named=model)
        notes = (*notes, stored)
    refuse_seconds(bounds, document)
    paired = path is not None and not bounds
    request = request_from_document(document, str(path) if path else "flags", paired=paired)
    return replace(
        request,
        gpu_hour_price=paid_for(flags.get(PRICE), request.hardware.gpu),
        workload=replace(request.workload, prefix_hit=flags.get("prefix_hit") or 0.0),
        slo=with_own_statistics(request.slo, bounds),
        modes=_modes(flags.get("mode")),
        own=own_runs(flags.get("calibration")),
        warnings=(*notes, *_without_names(request.warnings, flags)),
    )


def _without_names(warnings: Sequence[str], flags: Mapping[str, Any]) -> list[str]:
    """Without what a DGDR must not call a GPU: a GPU named by a flag stands in none."""
    named = flags.get("gpu") is not None
    return [text for text in warnings if not (named and text.startswith(SKU_FIELD))]


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
