"""From a Request to a Problem: look up what it names, fill in what it leaves open, and say so."""

from dataclasses import dataclass, replace

from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision, dtype
from simkit.catalog.calibrations import error_models, measured_domain
from simkit.catalog.engine_models import checkpoint_bytes, engine_model, served_precision
from simkit.catalog.gpus import gpu, with_hardware
from simkit.catalog.models import Model, load_model
from simkit.closed_form.deployment_table import kv_path
from simkit.closed_form.problem import Problem
from simkit.core.errors import InputError
from simkit.core.request import MOST_GPUS, Request, Tuning, asks_for_load_scaling, is_loaded, objective_of
from simkit.core.words import listed
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import engine_names
from simkit.engines.support import borrowed_note, fp8_cache, unsupported

# --- In which format each engine may keep the KV cache, as far as a request leaves it open.


QUALITY = "an FP8 KV cache changes what the model answers: compare its quality on your own tasks first"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFormats:
    """The format an engine usually takes, others to try, and why it cannot do as asked (empty: it can)."""

    usual: str
    others: tuple[str, ...] = ()
    refusal: str = ""


def cache_formats(tuning: Tuning, backend: str, device: Device, stored: Precision) -> CacheFormats:
    """What a request's choice means for one engine, which by itself keeps the cache as `stored` says."""
    own = stored.kv
    full = own in ("bf16", "fp16")
    if tuning.kv_dtype == "auto":
        return CacheFormats(usual=own)
    reason = fp8_cache(backend, device)
    if tuning.kv_dtype == "both":
        return CacheFormats(usual=own, others=("fp8",) if full and not reason else ())
    if tuning.kv_dtype == "bf16":
        text = "" if full else f"{backend} keeps the KV cache of this checkpoint in {own}, not in bf16"
        return CacheFormats(usual=own, refusal=text)
    return CacheFormats(usual="fp8", refusal=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to search, beyond what the request says.

    select: the row of the answer to export in place of the first. model_folder holds the config.json of the
    request's model, where that need not be looked up.
    """

    dynamo_rules: bool = False
    limit: int = 10
    select: int = 1
    model_folder: str | None = None


def build_problem(request: Request, options: SearchOptions | None = None) -> Problem:
    """Everything the search needs.

    Raises InputError where the model or GPU is not known, or none is named.
    """
    options = options or SearchOptions()
    model = _model(request, options)
    device = cluster_device(request)
    total = _most_gpus(request) if request.hardware.as_needed else request.hardware.total_gpus
    warnings = list(model.notes) + list(device.notes)
    if total is None:
        total = device.gpus_per_node
        warnings.append(f"hardware.totalGpus not given: one node of {total} GPUs assumed; set --total-gpus")
    modes, planner_note = _modes(request, total)
    warnings += planner_note
    if request.search_strategy == "thorough":
        warnings.append(
            "searchStrategy thorough measures on real GPUs; this answer is predicted, no GPU was used"
        )
    check_draft(request.tuning, model)
    backends, refused = _backends(request, device, model)
    formats, told = _formats(request, device, model, backends)
    backends = tuple(formats)
    warnings += told
    warnings += refused + _workload_warnings(request, model)
    cluster = replace(request.deploy.cluster, model_bytes=checkpoint_bytes(model))
    answered = replace(
        request,
        model=model.name,
        modes=modes,
        deploy=replace(request.deploy, cluster=cluster),
        hardware=replace(
            request.hardware, gpu=device.name, total_gpus=total, gpus_per_node=device.gpus_per_node
        ),
        warnings=(*request.warnings, *dict.fromkeys(warnings)),
    )
    engines = tuple(
        tuned(engine_model(model, device, name), request.tuning, formats[name].usual) for name in backends
    )
    return Problem(
        request=answered,
        engines=engines,
        total_gpus=total,
        path=kv_path(engines[0], rdma=request.hardware.rdma),
        errors=error_models(),
        domain=measured_domain(),
        dynamo_rules=options.dynamo_rules,
        limit=options.limit,
        select=options.select,
        kv_formats={name: found.others for name, found in formats.items()},
    )


def _most_gpus(request: Request) -> int:
    """How many GPUs are tried where as many as a load needs are asked for. Raises InputError without one."""
    if not is_loaded(request):
        raise InputError(
            "--total-gpus auto: how many GPUs are needed depends on the load; give --request-rate or "
            "--concurrency, or a number of GPUs"
        )
    if objective_of(request) != "fewest_gpus":
        raise InputError(
            f"--total-gpus auto looks for the fewest GPUs, and {request.optimization} is asked for; give a "
            "number of GPUs, or drop --objective (optimizationType in a file)"
        )
    return MOST_GPUS


def _model(request: Request, options: SearchOptions) -> Model:
    if options.model_folder is None:
        return load_model(request.model)
    model = load_model(options.model_folder)
    return replace(model, name=request.model, notes=(f"model read from {model.source}", *model.notes))


def _backends(request: Request, device: Device, model: Model) -> tuple[tuple[str, ...], list[str]]:
    """The engines to ask, less those that cannot run here; one named explicitly is kept and warned of.

    Raises InputError where none is made for GPUs of the vendor.
    """
    asked, notes = _asked_backends(request)
    notes += [note for note in map(borrowed_note, asked) if note]
    reasons = {name: unsupported(name, device, served_precision(model.precision, name)) for name in asked}
    able = tuple(name for name in asked if not reasons[name])
    if not able and device.vendor != "nvidia":
        others = [name for name in engine_names() if not unsupported(name, device, model.precision)]
        remedy = f"take {' or '.join(others)}" if others else "take another GPU, or another --precision"
        raise InputError(f"backend: {'; '.join(reasons.values())}; {remedy}")
    warnings = notes + [reason for reason in reasons.values() if reason]
    if device.vendor != "nvidia":
        warnings.append(
            f"Dynamo's images and operator are for NVIDIA GPUs: no DGD is written for {device.name}"
        )
    return able or asked, warnings


def check_draft(tuning: Tuning, model: Model) -> None:
    """Raise InputError where the checkpoint has no layer to draft with."""
    if tuning.draft is not None and tuning.draft.method == "mtp" and not model.shape.mtp_layers:
        raise InputError(
            f"--speculative mtp: {model.name} has no multi-token prediction layer; use eagle with a head's "
            "checkpoint, or ngram"
        )


def _formats(
    request: Request, device: Device, model: Model, backends: tuple[str, ...]
) -> tuple[dict[str, CacheFormats], list[str]]:
    """Formats of the KV cache by engine; those that cannot do as asked are left out and said."""
    tuning = request.tuning
    found = {
        name: cache_formats(tuning, name, device, served_precision(model.precision, name))
        for name in backends
    }
    refused = [item.refusal for item in found.values() if item.refusal]
    able = {name: item for name, item in found.items() if not item.refusal}
    if not able:
        raise InputError(f"--kv-dtype {tuning.kv_dtype}: {'; '.join(refused)}; use --kv-dtype auto")
    warnings = [f"{reason}: left out" for reason in refused]
    if tuning.kv_dtype == "both" and not any(item.others for item in able.values()):
        warnings.append(
            f"--kv-dtype both: no other format than {next(iter(able.values())).usual} to try here"
        )
    tried = {kv for item in able.values() for kv in (item.usual, *item.others)}
    if tuning.kv_dtype != "auto" and "fp8" in tried and dtype(model.precision.kv).bytes_per_element > 1:
        warnings.append(QUALITY)
    if tuning.draft is not None:
        warnings.append(
            f"speculative decoding ({tuning.draft.label}): the acceptance is taken as given, it depends on "
            "the text; no measured run of it stands behind the prediction"
        )
    return able, warnings


def tuned(model: EngineModel, tuning: Tuning, kv: str) -> EngineModel:
    """The engine with the settings asked for."""
    engine = model.engine
    budget = tuning.max_num_batched_tokens or engine.max_num_batched_tokens
    seqs = min(tuning.max_num_seqs or engine.max_num_seqs, budget)
    return replace(
        model,
        precision=replace(model.precision, kv=kv),
        engine=replace(engine, max_num_batched_tokens=budget, max_num_seqs=seqs),
    )


def _asked_backends(request: Request) -> tuple[tuple[str, ...], list[str]]:
    """The engine named, or all; load-based scaling leaves only the one that reports what it reads."""
    if request.backend != "auto":
        return (request.backend,), []
    if request.deploy.mocker or not asks_for_load_scaling(request.deploy.planner or {}):
        return engine_names(), []
    able = engine_names(lambda spec: spec.worker.reports_steps)
    were, report = ("was", "it alone reports") if len(able) == 1 else ("were", "they alone report")
    return able, [
        f"load-based planner scaling: only {listed(able)} {were} considered, as {report} forward-pass metrics"
    ]


def _workload_warnings(request: Request, model: Model) -> list[str]:
    workload, limit = request.workload, model.shape.max_context_tokens
    total, found = workload.isl_tokens + workload.osl_tokens, []
    if total > limit:
        found.append(
            f"isl + osl = {total:,.0f} tokens exceed the model's context of {limit:,}: engines refuse such "
            "requests unless the context is extended (rope scaling)"
        )
    if workload.prefix_hit:
        found.append(
            f"prefix hits: {workload.prefix_hit:.0%} of prompt tokens are taken as cached on the engine that "
            "a request meets, each request holding its own copy; no measured run stands behind that"
        )
    return found


def cluster_device(request: Request) -> Device:
    """The GPU the request names, with its own memory and node size where given."""
    hardware = request.hardware
    if hardware.gpu is None:
        raise InputError(
            "hardware.gpuSku is not given and nothing here can discover it; name the GPU, "
            "for example --gpu h200_sxm --total-gpus 8"
        )
    return with_hardware(gpu(hardware.gpu), hardware.gpus_per_node, hardware.vram_mb)


def _modes(request: Request, total_gpus: int) -> tuple[tuple[str, ...], list[str]]:
    """With a planner Dynamo scales prefill and decode pools, which takes a disaggregated deployment."""
    if request.deploy.planner is None or "disagg" not in request.modes:
        return request.modes, []
    if request.deploy.planner.get("mode") == "agg":
        return ("agg",), []
    if total_gpus < 2:
        return request.modes, ["planner: one GPU cannot hold separate prefill and decode engines"]
    if "agg" not in request.modes:
        return request.modes, []
    return ("disagg",), [
        "planner enabled: only disaggregated deployments were considered, as it scales those; "
        "figures are for the replicas it begins with"
    ]
