"""One deployment under one load."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perfmodels.model.params import active_params, kv_bytes_per_token_full, total_params
from perfmodels.parallel import ParallelPlan
from perfmodels.units import GIB
from simkit.catalog.engine_models import served_precision
from simkit.catalog.problems import build_problem
from simkit.closed_form.one_deployment import SingleEstimate, estimate_deployment
from simkit.closed_form.operator_lines import OperatorLine
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool, parse_layout
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.engines.registry import engine_names
from simkit.engines.support import draft_refusal
from simkit.explain.defaults import candidate_beside_defaults
from simkit.explain.procedures import procedure_words
from simkit.reports.document import candidate_document
from simkit.search.engine_settings import Variants
from simkit.search.prepared import prepare_engine
from simkit.search.space import SpaceRules, plan_space, refusal
from simkit.verbs.recommend import as_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Layouts:
    """How the engines are laid out, in short names; all None: the narrowest plan that fits.

    decode_max_num_seqs: most sequences that a rank of a decode engine runs at once; None: as prefill engines.
    """

    worker: str | None = None
    prefill: str | None = None
    decode: str | None = None
    decode_max_num_seqs: int | None = None


def estimate(
    request: Request | Mapping[str, Any] | str | Path, deployment: Deployment | Layouts | None = None
) -> SingleEstimate:
    """Latency, throughput, memory and time by operator of one deployment.

    request gives model, hardware, workload and SLA; deployment a Deployment, or short layout names.
    """
    return estimate_problem(request, deployment)[1]


def estimate_problem(
    request: Request | Mapping[str, Any] | str | Path, deployment: Deployment | Layouts | None = None
) -> tuple[Problem, SingleEstimate]:
    """The estimate, and the problem that was made of the request."""
    problem, chosen = question(as_request(request), deployment)
    return problem, estimate_deployment(problem, chosen)


def question(asked: Request, deployment: Deployment | Layouts | None) -> tuple[Problem, Deployment]:
    """What is asked about, with everything it names looked up.

    Raises InputError where the layout takes more GPUs than there are.
    """
    backend = _backend(asked, deployment)
    gpus = asked.hardware.total_gpus
    if isinstance(deployment, Aggregated | Disaggregated) and gpus is None:
        gpus = deployment.num_gpus
    hardware = replace(asked.hardware, total_gpus=gpus)
    problem = build_problem(replace(asked, backend=backend, hardware=hardware, search_strategy="rapid"))
    if isinstance(deployment, Aggregated | Disaggregated):
        _refuse_hits(asked, deployment)
        _check_drafting(problem, deployment)
        return problem, deployment
    chosen = deployment_from_layouts(problem, deployment or Layouts())
    if gpus is not None and chosen.num_gpus > gpus:
        raise InputError(
            f"the layout takes {chosen.num_gpus} GPUs and --total-gpus is {gpus}; raise it or use fewer"
        )
    return problem, chosen


def _refuse_hits(asked: Request, deployment: Deployment) -> None:
    """Engines that keep no prefixes find none."""
    first = deployment.worker if isinstance(deployment, Aggregated) else deployment.prefill
    if asked.workload.prefix_hit and not first.engine.prefix_caching:
        raise InputError(
            f"--prefix-hit {asked.workload.prefix_hit:g}: the deployment switches prefix caching off; drop "
            "one of them"
        )


def _check_drafting(problem: Problem, deployment: Deployment) -> None:
    """Raise InputError where flags draft with a layer that the checkpoint does not have."""
    shape = problem.shape
    if not shape.mtp_layers and any(pool.engine.drafting == "mtp" for pool in deployment.pools):
        raise InputError(
            f"speculative decoding by mtp: {shape.name} has no multi-token prediction layer, and the engine "
            "would not start; drop the flag, or name the checkpoint of a draft"
        )


def _backend(request: Request, deployment: Deployment | Layouts | None) -> str:
    if isinstance(deployment, Aggregated | Disaggregated):
        return deployment.backend
    return engine_names()[0] if request.backend == "auto" else request.backend


def deployment_from_layouts(problem: Problem, layouts: Layouts) -> Deployment:
    """A deployment from short names, with the engine's settings as asked for."""
    precision, tuning = problem.engines[0].precision, problem.request.tuning
    engine = replace(problem.engines[0].engine, draft=tuning.draft)
    if bool(layouts.prefill) != bool(layouts.decode):
        raise InputError("give both --prefill and --decode, or --worker alone")
    if layouts.prefill and layouts.decode:
        sides = [_checked_layout(problem, text) for text in (layouts.prefill, layouts.decode)]
        slots = layouts.decode_max_num_seqs or engine.max_num_seqs
        engines = (engine, replace(engine, max_num_seqs=slots))
        pools = [
            Pool(plan=plan, engine=own, replicas=count)
            for own, (count, plan) in zip(engines, sides, strict=True)
        ]
        return Disaggregated(prefill=pools[0], decode=pools[1], precision=precision)
    if layouts.worker:
        count, plan = _checked_layout(problem, layouts.worker)
        return Aggregated(worker=Pool(plan=plan, engine=engine, replicas=count), precision=precision)
    return Aggregated(worker=narrowest_pool(problem, engine), precision=precision)


def _rules(problem: Problem) -> SpaceRules:
    model = problem.engines[0]
    return SpaceRules(
        max_gpus=problem.total_gpus,
        backend=model.engine.backend,
        expert_format=model.precision.moe,
        dense_format=model.precision.gemm,
    )


def _checked_layout(problem: Problem, text: str) -> tuple[int, ParallelPlan]:
    """A layout the engine can start and the GPUs hold."""
    count, plan = parse_layout(text, moe=problem.shape.is_moe)
    reason = refusal(problem.shape, plan, _rules(problem))
    draft = problem.request.tuning.draft
    if not reason and draft is not None:
        reason = draft_refusal(problem.engines[0].engine.backend, draft, plan)
    if reason:
        raise InputError(f"layout {text!r} cannot run {problem.shape.name}: {reason}")
    return count, plan


def narrowest_pool(problem: Problem, engine: EngineOptions | None = None) -> Pool:
    """The smallest engine that holds the model and one request."""
    model = problem.engines[0]
    rules = _rules(problem)
    plans = plan_space(model.shape, model.device, rules)
    prepared = prepare_engine(Variants(models=(model,)), plans, problem.request.workload, problem.path)
    if not len(prepared.kept):
        raise InputError(
            f"model {model.shape.name!r} does not fit {problem.total_gpus} x {model.device.name}; "
            "raise --total-gpus or take a quantised checkpoint"
        )
    return Pool(plan=prepared.plan_of(prepared.kept[0]), engine=engine or model.engine)


def estimate_document(problem_request: Request, result: SingleEstimate) -> dict[str, Any]:
    """The JSON of `simkit estimate`: a candidate, the model's sizes, and its operators."""
    shown = candidate_document(result.candidate)
    beside = candidate_beside_defaults(result.candidate, problem_request.slo)
    return {
        **shown,
        "notes": [*shown["notes"], *([beside] if beside else [])],
        **({"sla": _sla(problem_request.slo, shown)} if problem_request.slo.judged else {}),
        "model": model_document(problem_request, result.candidate.deployment),
        "by_operator": [operator_document(line) for line in result.by_operator],
        "nearest_run": _nearest(result),
        "most_request_rate_per_s": result.most_rate_per_s,
        "memory_gib_by_pool": {
            pool: {part: size / GIB for part, size in parts.items()}
            for pool, parts in result.memory_by_pool.items()
        },
        "procedure": procedure_words(problem_request.workload),
    }


def _sla(slo: Slo, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds that were asked for, what each is on, and which are missed, in the words of `simulate`."""
    on = {f"{name[:-2]}_ms": slo.statistic_of(name) for name in slo.bounds}
    bounds = {f"{name[:-2]}_ms": bound * 1e3 for name, bound in slo.bounds.items()}
    found = {key: shown[key][statistic] for key, statistic in on.items()}
    missed = {key: value for key, value in found.items() if value is None or value > bounds[key]}
    return {"statistics": on, "bounds": bounds, "met": shown["meets_sla"], "missed": missed}


def model_document(request: Request, deployment: Deployment) -> dict[str, Any]:
    """The sizes of the request's model as deployed."""
    from simkit.catalog.models import load_model

    model = load_model(request.model)
    precision = served_precision(deployment.precision, deployment.backend)
    return {
        "name": model.name,
        "total_params": total_params(model.shape),
        "active_params": active_params(model.shape),
        "kv_bytes_per_token": kv_bytes_per_token_full(model.shape, precision.kv),
    }


def _nearest(result: SingleEstimate) -> dict[str, Any] | None:
    """The measured run most like the deployment."""
    found = result.nearest
    if found is None:
        return None
    times = {"ttft_ms": found.ttft_s * 1e3, "itl_ms": found.itl_s * 1e3}
    return {"run": found.label, **times, "resemblance": found.resemblance}


def operator_document(line: OperatorLine) -> dict[str, Any]:
    """One operator of one step."""
    return {
        "phase": line.phase,
        "operator": line.operator,
        "family": line.family,
        "time_ms": line.time_s * 1e3,
        "share": line.share,
        "flop": line.flop,
        "hbm_bytes": line.hbm_bytes,
        "wire_bytes": line.wire_bytes,
        "source": line.source,
    }
