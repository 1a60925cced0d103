"""Whether what axes name exists, and whether the axes of a grid say a whole question."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.catalog.runs import PROTOCOLS
from simkit.core.errors import InputError, SimkitError
from simkit.engines.registry import engine_names
from simkit.experiments.axes import Value
from simkit.experiments.axes_model import Axes, SlaAxes
from simkit.experiments.columns import SIZES, Do
from simkit.experiments.document_model import ExperimentDocument
from simkit.formats.faults import Fault, choice_fault
from simkit.measure.targets import target_names

_LAYOUT = ("plan", "prefill", "decode", *SIZES)
_NEEDED: Mapping[Do, tuple[str, ...]] = {
    "predict": ("model", "gpu", "backend", "isl_tokens", "osl_tokens"),
    "simulate": ("model", "gpu", "backend", "isl_tokens", "osl_tokens"),
    "recommend": ("model", "gpu", "isl_tokens", "osl_tokens", "num_gpus"),
    "benchmark": ("model", "gpu", "backend", "isl_tokens", "osl_tokens"),
}
_OF_RECOMMEND = (
    "model", "gpu", "backend", "mode", "num_gpus", "isl_tokens", "osl_tokens", "concurrency",
    "request_rate_per_s", "prefix_hit", "max_num_seqs", "max_num_batched_tokens", "kv_dtype", "rdma",
    "gpu_hour_price", "sla_ttft_ms", "sla_itl_ms", "sla_e2e_ms", "repeat",
)  # fmt: skip
_FOREIGN: Mapping[Do, tuple[tuple[str, ...], str]] = {  # axes of others, and who takes them
    "predict": (("burstiness", "shared_prefix_tokens", "requests"), "simulate"),
    "simulate": (("protocol",), "predict"),
    "benchmark": (("burstiness", "shared_prefix_tokens", "protocol"), "simulate or predict"),
}

Axis = Mapping[str, Sequence[Value]]


def axis_faults(do: Do, axes: Axis) -> list[Fault]:
    """What is wrong with the axes of one grid, all of them together."""
    missing = [name for name in _NEEDED[do] if name not in axes]
    faults = [Fault(path=f"axes.{name}", problem="required but missing", remedy="add it") for name in missing]
    return [*faults, *_load_faults(do, axes), *_layout_faults(do, axes), *_name_faults(do, axes)]


def benchmark_faults(document: ExperimentDocument) -> list[Fault]:
    """What is wrong with where and how points are measured."""
    rule = document.benchmark
    if document.do != "benchmark" or rule is None:
        stray = rule is not None
        fault = Fault(path="benchmark", problem=f"is not for do: {document.do}", remedy="add do: benchmark")
        return [fault] if stray else []
    known = (*target_names(), "url")
    if rule.target not in known:
        return [choice_fault("benchmark.target", known, rule.target)]
    if (rule.target == "url") != (rule.url is not None):
        problem = "which server?" if rule.url is None else f"is not for target: {rule.target}"
        return [Fault(path="benchmark.url", problem=problem, remedy="give target: url with a url")]
    return _address_faults(rule.url) if rule.url is not None else []


def _address_faults(url: str) -> list[Fault]:
    """An experiment's file is kept and passed on, so no password may stand in it."""
    from simkit.io.openai_http import KEY_VARIABLE, endpoint_of

    try:
        secret = endpoint_of(url).secret
    except InputError as error:
        return [Fault(path="benchmark.url", problem=str(error), remedy="give http://HOST:PORT")]
    if secret is None:
        return []
    remedy = f"leave it out; a key is read from {KEY_VARIABLE}"
    return [Fault(path="benchmark.url", problem="holds a name or password", remedy=remedy)]


def _load_faults(do: Do, axes: Axis) -> list[Fault]:
    loads = [name for name in ("concurrency", "request_rate_per_s") if name in axes]
    if len(loads) == 2:
        remedy = "drop one of them; two `grids` can hold one each"
        return [Fault(path="axes.concurrency", problem="a load is given twice", remedy=remedy)]
    if not loads and do != "recommend":
        remedy = "add concurrency or request_rate_per_s"
        return [Fault(path="axes.concurrency", problem="no load is given", remedy=remedy)]
    return []


def _layout_faults(do: Do, axes: Axis) -> list[Fault]:
    if do == "recommend":
        return [
            Fault(
                path=f"axes.{name}", problem="recommend searches this or does not vary it", remedy="drop it"
            )
            for name in axes
            if name not in _OF_RECOMMEND
        ]
    foreign, other = _FOREIGN[do]
    faults = [
        Fault(path=f"axes.{name}", problem=f"is not for do: {do}", remedy=f"drop it, or do: {other}")
        for name in foreign
        if name in axes
    ]
    if "burstiness" in axes and "request_rate_per_s" not in axes:
        remedy = "give request_rate_per_s, or drop it"
        faults.append(Fault(path="axes.burstiness", problem="is of arrivals at a rate", remedy=remedy))
    if "mode" in axes:
        faults.append(Fault(path="axes.mode", problem="the plan says it", remedy="drop it, or do: recommend"))
    ways = ["plan" in axes, "prefill" in axes or "decode" in axes, any(name in axes for name in SIZES)]
    if sum(ways) != 1:
        problem = "give the layout in one way: plan, or prefill and decode, or tp, pp, attn_dp, moe_tp, ep"
        faults.append(Fault(path="axes.plan", problem=problem, remedy="write plan: [tp1, tp2]"))
    if ("prefill" in axes) != ("decode" in axes):
        faults.append(Fault(path="axes.decode", problem="prefill and decode go together", remedy="give both"))
    return faults


def _name_faults(do: Do, axes: Axis) -> list[Fault]:
    backends = (*engine_names(), *(("auto",) if do == "recommend" else ()))
    faults = [
        *_choices("backend", axes, backends),
        *_choices("protocol", axes, tuple(PROTOCOLS)),
        *_choices("mode", axes, ("agg", "disagg", "both")),
    ]
    for name, look_up in (("model", load_model), ("gpu", gpu)):
        faults += _unknown(name, axes, look_up)
    return faults


def _choices(name: str, axes: Axis, known: Iterable[str]) -> list[Fault]:
    choices = tuple(known)
    return [choice_fault(f"axes.{name}", choices, v) for v in axes.get(name, ()) if v not in choices]


def _unknown(name: str, axes: Axis, look_up: Callable[[str], object]) -> list[Fault]:
    faults = []
    for value in axes.get(name, ()):
        try:
            look_up(str(value))
        except SimkitError as error:
            problem, _, remedy = str(error).partition("; ")
            faults.append(Fault(path=f"axes.{name}", problem=problem, remedy=remedy or "correct it"))
    return faults


# What people write at the top of the file, and where it stands instead.
_INSTEAD = {
    **dict.fromkeys(("name", "title", "description", "id"), "say it in question; -o names the folder"),
    **dict.fromkeys(
        ("kind", "type", "mode", "method"), "write do: predict, simulate, recommend or benchmark"
    ),
    **dict.fromkeys(("sweep", "parameters", "params", "matrix", "grid", "variables"), "write it as axes"),
    **dict.fromkeys(("metrics", "columns", "outputs"), "report: {show: [...]} picks columns of the table"),
    **dict.fromkeys(("constraints", "slo", "bounds"), "write it as sla"),
    **dict.fromkeys(("output", "out"), "give the folder to run: -o DIR"),
}


def told_where(fault: Fault) -> Fault:
    """An unknown key at the top of the file with what takes its place."""
    if fault.problem != "unknown key":
        return fault
    blocks = dict.fromkeys(Axes.model_fields, "axes") | dict.fromkeys(SlaAxes.model_fields, "sla")
    block = blocks.get(fault.path)
    remedy = _INSTEAD.get(fault.path) or (block and f"write it under {block}: {{{fault.path}: ...}}")
    return replace(fault, remedy=remedy) if remedy else fault
