"""One point by itself: its request and deployment, simulated, searched, or described for a cluster."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simkit.core.cost import cost_per_million_tokens
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Latency
from simkit.core.request import Hardware, Request, Tuning
from simkit.core.slo import Slo
from simkit.core.user_calibration import OwnCalibration
from simkit.core.workload import Workload
from simkit.experiments.columns import PREFIX, SIZES
from simkit.experiments.layouts import plan_columns
from simkit.verbs.deployment_rows import blocks, complete_table, engine_model_of, row_faults

if TYPE_CHECKING:
    from simkit.verbs.loads import LoadOptions

Point = Mapping[str, Any]
# Columns that say nothing of the engines.
_OF_THE_LOAD = frozenset({
    "point", "concurrency", "request_rate_per_s", "requests_per_slot", "requests", "burstiness",
    "shared_prefix_tokens", "repeat", "seed", "gpu_hour_price", "sla_ttft_ms", "sla_itl_ms", "sla_e2e_ms",
})  # fmt: skip
_MODES = {"agg": ("agg",), "disagg": ("disagg",)}


def request_of_point(point: Point, own: OwnCalibration | None = None) -> Request:
    """The question of a point, its engines left open where they are searched; own runs correct its answer."""
    bounds = {name: point.get(f"sla_{name}_ms") for name in ("ttft", "itl", "e2e")}
    in_s = {f"{name}_s": None if value is None else value / 1e3 for name, value in bounds.items()}
    loads = ("concurrency", "request_rate_per_s", "requests_per_slot")
    concurrency, rate, slots = (point.get(name) for name in loads)
    return Request(
        model=str(point["model"]),
        backend=str(point.get("backend") or "auto"),
        hardware=Hardware(gpu=point["gpu"], total_gpus=_whole(point.get("num_gpus")), rdma=point.get("rdma")),
        workload=Workload(
            isl_tokens=point["isl_tokens"],
            osl_tokens=point["osl_tokens"],
            length_spread=point.get("length_spread") or 0.0,
            prefix_hit=point.get("prefix_hit") or 0.0,
            concurrency=concurrency,
            request_rate_per_s=rate,
            requests_per_slot=slots,
        ),
        slo=Slo(ttft_s=in_s["ttft_s"], itl_s=in_s["itl_s"], e2e_s=in_s["e2e_s"]),
        modes=_MODES.get(str(point.get("mode")), ("agg", "disagg")),
        tuning=Tuning(
            max_num_seqs=_whole(point.get("max_num_seqs")),
            max_num_batched_tokens=_whole(point.get("max_num_batched_tokens")),
        ),
        gpu_hour_price=point.get("gpu_hour_price"),
        own=own,
        source="experiment",
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def deployment_of_point(point: Point) -> Deployment:
    """The engines of a point, by the same route as tables of deployments. Raises InputError."""
    return _deployment(tuple((name, value) for name, value in point.items() if name not in _OF_THE_LOAD))


@lru_cache(maxsize=256)
def _deployment(stated: tuple[tuple[str, Any], ...]) -> Deployment:
    """The engines of all points that differ in their load alone: a sweep asks many in a row."""
    import pandas as pd

    point = {**dict(stated), "concurrency": 1.0}  # a table wants a load; engines do not depend on it
    table = complete_table(pd.DataFrame([point]))
    fault = str(row_faults(table)[0])
    if fault:
        raise InputError(fault)
    (block,) = blocks(table, table.index.to_numpy())
    model, row = engine_model_of(block), block.frame.iloc[0]
    if point["mode"] == "agg":
        plan = _plan(row, "")
        pool = Pool(plan=plan, engine=model.engine, replicas=max(int(row["num_gpus"]) // plan.num_gpus, 1))
        return Aggregated(worker=pool, precision=model.precision)
    slots = _whole(point.get("decode_max_num_seqs"))
    engine = replace(model.engine, max_num_seqs=slots) if slots else model.engine
    pools = [
        Pool(plan=_plan(row, f"{role}_"), engine=own, replicas=int(row[f"{role}_workers"]))
        for role, own in (("prefill", model.engine), ("decode", engine))
    ]
    return Disaggregated(prefill=pools[0], decode=pools[1], precision=model.precision)


def _plan(row: Any, prefix: str) -> Any:
    from perfmodels.parallel import ParallelPlan

    return ParallelPlan(**{name: int(row[f"{prefix}{name}"]) for name in SIZES})


def simulated(point: Point, own: OwnCalibration | None = None) -> dict[str, Any]:
    """Results of one simulated point."""
    from simkit.verbs.simulate import SimulateOptions, simulate

    request, deployment = request_of_point(point, own), deployment_of_point(point)
    options = SimulateOptions(seed=int(point["seed"]), load=_sent(point))
    result = simulate(request, deployment, options)
    summary, prefix = result.run.summary, PREFIX["simulate"]
    found: dict[str, Any] = {}
    for metric in ("ttft", "itl", "e2e"):
        spread = summary.distributions.get(f"{metric}_s")
        for statistic in ("mean", "p50", "p90", "p99") if spread else ():
            found[f"{prefix}{metric}_ms_{statistic}"] = spread.at(statistic) * 1e3 if spread else None
    per_s, gpus = summary.output_tokens_per_s, deployment.num_gpus
    itl = found.get(f"{prefix}itl_ms_mean")
    price = point.get("gpu_hour_price")
    rest = {
        "output_tokens_per_s": per_s,
        "output_tokens_per_s_per_gpu": per_s / gpus,
        "tokens_per_s_per_user": 1e3 / itl if itl else None,
        "request_rate_per_s": summary.request_rate_per_s,
        "concurrency": summary.mean_in_flight,
        "num_gpus": gpus,
        "goodput_per_s": summary.goodput_per_s,
    }
    found |= {f"{prefix}{name}": value for name, value in rest.items()}
    estimate = next(iter(result.closed_form.values())).estimate
    if price and not estimate.overloaded:  # what is not served costs nothing that could be compared
        found[f"{prefix}cost_per_million_output_tokens"] = cost_per_million_tokens(price, per_s / gpus)
    verdicts = {name: getattr(estimate, name) for name in ("in_domain", "overloaded", "doubtful")}
    meets = result.meets_sla if request.slo.bounds else None
    return found | {"meets_sla": meets, "source": "simulated", **verdicts}


def _sent(point: Point) -> "LoadOptions":
    """What is sent beyond lengths and load."""
    from simkit.sim.load.prefixes import SharedPrefixes
    from simkit.verbs.loads import LoadOptions

    shared = _whole(point.get("shared_prefix_tokens"))
    return LoadOptions(
        requests=_whole(point.get("requests")),
        burstiness=point.get("burstiness") or 1.0,
        prefixes=SharedPrefixes(system_tokens=shared) if shared else None,
    )


def recommended(point: Point, own: OwnCalibration | None = None) -> dict[str, Any]:
    """What a search answers at one point: the selected deployment and its figures."""
    from simkit.catalog.problems import build_problem
    from simkit.io.threads import one_thread
    from simkit.verbs.recommend import searched

    request = request_of_point(point, own)
    tuning = replace(request.tuning, kv_dtype=str(point.get("kv_dtype") or "auto"))
    request = replace(request, tuning=tuning)
    with one_thread():
        rec = searched(build_problem(request))
    chosen = rec.selected
    found = {
        **candidate_figures(chosen),
        **plan_columns(chosen.deployment),
        "backend": chosen.deployment.backend,
    }
    return found | {"meets_sla": chosen.meets_sla if request.slo.bounds else None}


def candidate_figures(chosen: Candidate) -> dict[str, Any]:
    """Figures of an estimate under the names of a dataset."""
    prefix, estimate = PREFIX["recommend"], chosen.estimate
    found: dict[str, Any] = {}
    for metric in ("ttft", "itl", "e2e"):
        latency: Latency = getattr(estimate, metric)
        for statistic in ("mean", "p50", "p90", "p99", "lo", "hi"):
            found[f"{prefix}{metric}_ms_{statistic}"] = getattr(latency, f"{statistic}_s") * 1e3
    same = (
        "output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user", "request_rate_per_s",
        "concurrency", "goodput_per_s", "kv_capacity_tokens", "cost_per_million_output_tokens",
    )  # fmt: skip
    found |= {f"{prefix}{name}": getattr(estimate, name) for name in same}
    verdicts = ("sla_probability", "in_domain", "overloaded", "doubtful")
    found |= {name: getattr(estimate, name) for name in verdicts}
    return found | {f"{prefix}num_gpus": chosen.deployment.num_gpus, "source": "closed form"}
