"""Results as JSON documents: plain types, milliseconds and GiB, six significant digits.

Every view (terminal, Markdown, HTML, CSV) reads these documents, so units change in one place only.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from numbers import Real
from typing import Any

import numpy as np

from perfmodels.model.dtypes import Precision
from simkit.core.deployment import Aggregated, Deployment, Pool
from simkit.core.estimate import (
    Alternative,
    Candidate,
    Estimate,
    Latency,
    Recommendation,
    Relaxation,
    TradeOff,
)
from simkit.core.harmless import json_line
from simkit.core.request import Hardware, Request
from simkit.core.slo import STATISTICS, Slo
from simkit.core.user_calibration import OwnCalibration
from simkit.explain.answer import trade_off_lines
from simkit.explain.remarks import remarks
from simkit.reports.labels import layout_label
from simkit.reports.simulated import simulated_document

Document = dict[str, Any]

_MS_PER_S = 1e3
_GIB = 2**30


def candidate_document(candidate: Candidate) -> Document:
    """One candidate as interface.md describes it, with engine settings and notes added."""
    found: Document = plain({
        "backend": candidate.deployment.backend,
        "mode": candidate.deployment.mode,
        "num_gpus": candidate.deployment.num_gpus,
        **_layout(candidate.deployment),
        **_performance(candidate.estimate),
        "meets_sla": candidate.meets_sla,
        "tied": candidate.tied,
        "notes": candidate.estimate.notes,
        **({"simulated": simulated_document(candidate.simulated)} if candidate.simulated else {}),
    })  # fmt: skip
    return found


def recommendation_document(rec: Recommendation) -> Document:
    """The content of recommendation.json."""
    candidates = [candidate_document(item) for item in rec.candidates]
    found: Document = plain({
        "request": request_document(rec.request),
        "selected": candidates[rec.chosen] if candidates else None,
        **({"selected_row": rec.chosen + 1} if rec.chosen else {}),
        "expected_best": None if rec.expected_best is None else candidate_document(rec.expected_best),
        "candidates": candidates,
        "pareto": [candidate_document(item) for item in rec.pareto],
        "knee": None if rec.knee is None else candidate_document(rec.pareto[rec.knee]),
        "fronts": [_front_document(front) for front in rec.fronts],
        "rejected": [asdict(item) for item in rec.rejected],
        "meets_sla": rec.meets_sla,
        "explanation": rec.explanation,
        "remarks": remarks(rec),
        "bottlenecks": rec.bottlenecks,
        "trade_offs": [_trade_off(*pair) for pair in zip(rec.trade_offs, trade_off_lines(rec), strict=True)],
        "relaxations": [_relaxation(item) for item in rec.relaxations],
        "most_request_rate_per_s": rec.most_rate_per_s,
        **({"finalists": asdict(rec.finalists)} if rec.finalists else {}),
        **({"alternatives": [_alternative(item) for item in rec.alternatives]} if rec.alternatives else {}),
        "versions": rec.versions,
    })  # fmt: skip
    return found


_FRONT_FIGURES = (
    "num_gpus", "concurrency", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user", "sla_probability",
    "meets_sla", "in_domain",
)  # fmt: skip


def _front_document(front: tuple[Candidate, ...]) -> Document:
    """The front of one engine and mode: what each point runs and gives, without its settings."""
    points = []
    for item in front:
        whole = candidate_document(item)
        means = {
            name: {end: whole[name][end] for end in ("mean", "lo", "hi")} for name in ("ttft_ms", "itl_ms")
        }
        layout = layout_label(whole)
        points.append({"layout": layout, **{name: whole[name] for name in _FRONT_FIGURES}, **means})
    first = front[0].deployment
    return {"backend": first.backend, "mode": first.mode, "points": points}


def _alternative(item: Alternative) -> Document:
    found = None if item.candidate is None else candidate_document(item.candidate)
    return {
        "gpu": item.gpu,
        "backend": item.backend,
        "wins": item.wins,
        "refusal": item.refusal,
        "candidate": found,
        **({} if item.gpu_hour_price is None else {"gpu_hour_price": item.gpu_hour_price}),
    }


def _trade_off(item: TradeOff, text: str) -> Document:
    found = None if item.candidate is None else candidate_document(item.candidate)
    return {"change": item.change, "text": text, "candidate": found}


def _relaxation(item: Relaxation) -> Document:
    return {
        "bound": item.bound.removesuffix("_s"),
        "asked_ms": item.asked_s * _MS_PER_S,
        "needed_ms": item.needed_s * _MS_PER_S,
    }


def dumps(document: Any, *, full_precision: bool = False) -> str:
    """The document as indented JSON text, keys in their own order, ending with a newline."""
    content = plain(document, full_precision=full_precision)
    return json_line(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def plain(value: Any, *, full_precision: bool = False) -> Any:
    """The value in JSON's own types: six significant digits, not-a-number and infinity as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Real):
        number = float(value)
        return number if full_precision and math.isfinite(number) else _rounded(number)
    if isinstance(value, Mapping):
        return {str(key): plain(item, full_precision=full_precision) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(item, full_precision=full_precision) for item in value]
    return str(value)


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() else rounded


def _layout(deployment: Deployment) -> Document:
    """What runs where: one plan, or one per pool. A disaggregated deployment counts as one replica."""
    if isinstance(deployment, Aggregated):
        worker = deployment.worker
        return {
            "replicas": worker.replicas,
            "plan": asdict(worker.plan),
            "engine": _engine(worker, deployment.precision),
        }
    pools = {"prefill": deployment.prefill, "decode": deployment.decode}
    return {"replicas": 1} | {
        role: {
            "workers": pool.replicas,
            "plan": asdict(pool.plan),
            "engine": _engine(pool, deployment.precision),
        }
        for role, pool in pools.items()
    }


def _engine(pool: Pool, precision: Precision) -> Document:
    engine = pool.engine
    return {
        "version": engine.version,
        "max_num_seqs": engine.max_num_seqs,
        "max_num_batched_tokens": engine.max_num_batched_tokens,
        "memory_frac": engine.memory_frac,
        "gemm_dtype": precision.gemm,
        "moe_dtype": precision.moe,
        "kv_dtype": precision.kv,
        "speculative": None if engine.draft is None else asdict(engine.draft),
    }


def _performance(estimate: Estimate) -> Document:
    return {
        "concurrency": estimate.concurrency,
        "ttft_ms": _latency_ms(estimate.ttft),
        "itl_ms": _latency_ms(estimate.itl),
        "e2e_ms": _latency_ms(estimate.e2e),
        "output_tokens_per_s": estimate.output_tokens_per_s,
        "output_tokens_per_s_per_gpu": estimate.output_tokens_per_s_per_gpu,
        "tokens_per_s_per_user": estimate.tokens_per_s_per_user,
        "request_rate_per_s": estimate.request_rate_per_s,
        "goodput_per_s": estimate.goodput_per_s,
        "memory_gib": {part: size / _GIB for part, size in estimate.memory_bytes.items()},
        "kv_capacity_tokens": estimate.kv_capacity_tokens,
        "sla_probability": estimate.sla_probability,
        "in_domain": estimate.in_domain,
        "bottleneck": estimate.bottleneck,
        "cost_per_million_output_tokens": estimate.cost_per_million_output_tokens,
        "max_energy_j_per_output_token": estimate.max_energy_j_per_output_token,
    }


def _latency_ms(latency: Latency) -> Document:
    return {name: getattr(latency, f"{name}_s") * _MS_PER_S for name in (*STATISTICS, "lo", "hi")}


def _sla(slo: Slo) -> Document:
    bounds = {"ttft_ms": slo.ttft_s, "itl_ms": slo.itl_s, "e2e_ms": slo.e2e_s}
    return {name: None if bound is None else bound * _MS_PER_S for name, bound in bounds.items()}


def _hardware(hardware: Hardware) -> Document:
    """As given; that the number of GPUs was left open is said only where it was."""
    found = asdict(hardware)
    return found if hardware.as_needed else {key: found[key] for key in found if key != "as_needed"}


def _own_calibration(own: OwnCalibration) -> Document:
    """The runs that predictions were corrected by."""
    return {"path": own.path, "sha256": own.sha256, "runs": len(own.observations)}


def request_document(request: Request) -> Document:
    """The question as recommendation.json holds it."""
    deploy = request.deploy
    return {
        "model": request.model,
        "backend": request.backend,
        "hardware": _hardware(request.hardware),
        "workload": asdict(request.workload),
        "sla": _sla(request.slo),
        "sla_statistic": request.slo.statistic,
        "sla_statistics": {f"{name[:-2]}_ms": request.slo.statistic_of(name) for name in request.slo.bounds},
        "sla_assumed": request.slo.assumed,
        "gpu_hour_price": request.gpu_hour_price,
        "modes": request.modes,
        "search_strategy": request.search_strategy,
        "optimization": request.optimization,
        "tuning": asdict(request.tuning),
        "auto_apply": request.auto_apply,
        **({"own_calibration": _own_calibration(request.own)} if request.own else {}),
        "deploy": {"name": deploy.name, "namespace": deploy.namespace, "image": deploy.image},
        "source": request.source,
        "warnings": request.warnings,
    }
