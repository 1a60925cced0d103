"""A recommendation.json read back: the question it answers and the deployments it names."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.draft import Draft
from simkit.core.errors import InputError
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.user_calibration import OwnCalibration
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.formats.faults import first_fault
from simkit.formats.recommendation_model import RecommendationPart
from simkit.formats.user_calibration import pinned, read_own
from simkit.io.reading import Bounds, read_json_object

Document = dict[str, Any]

MOST_ANSWER = 50_000_000  # bytes of a recommendation.json
_FILE = Bounds(most=MOST_ANSWER, remedy="write one with simkit recommend -o DIR")


def read_recommendation(path: Path) -> Document:
    """The document, every field that is read of it checked. Raises InputError."""
    document = read_json_object(path, _FILE)
    try:
        RecommendationPart.model_validate(document)
        deployment_of(document["selected"])
    except ValidationError as error:
        raise _no_recommendation(path, first_fault(error)) from error
    except InputError as error:
        raise _no_recommendation(path, str(error)) from error
    return document


def _no_recommendation(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: not a recommendation.json ({reason}); {_FILE.remedy}")


def request_of(document: Mapping[str, Any]) -> Request:
    """The question that a recommendation answers. Raises InputError where it does not say."""
    asked = document["request"]
    try:
        return Request(
            model=asked["model"],
            hardware=Hardware(**_known(Hardware, asked["hardware"])),
            workload=Workload(**_known(Workload, asked["workload"])),
            slo=_slo(asked),
            modes=(document["selected"]["mode"],),
            gpu_hour_price=asked.get("gpu_hour_price"),
            own=_own(asked),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"its request is incomplete ({error!r})") from error


def _own(asked: Mapping[str, Any]) -> OwnCalibration | None:
    """The runs that it was corrected by, which must be those still."""
    known = asked.get("own_calibration")
    return None if known is None else read_own(pinned(known["path"], known["sha256"]))


def _slo(asked: Mapping[str, Any]) -> Slo:
    bounds: dict[str, Any] = {
        f"{name}_s": _seconds(asked["sla"][f"{name}_ms"]) for name in ("ttft", "itl", "e2e")
    }
    for_all = asked.get("sla_statistic", "mean")
    own = asked.get("sla_statistics") or {}  # answers from before bounds had their own lack it
    slo = Slo(**bounds, statistic=for_all, assumed=asked.get("sla_assumed", False))
    return slo.with_statistics({name[:-3]: on for name, on in own.items() if on != for_all})


def deployment_of(candidate: Mapping[str, Any]) -> Deployment:
    """A candidate's engines, plans and counts. Raises InputError where it does not say."""
    try:
        if candidate["mode"] == "agg":
            worker = {**candidate, "workers": candidate["replicas"]}
            precision = _precision(candidate["engine"])
            return Aggregated(worker=_pool(candidate["backend"], worker), precision=precision)
        prefill, decode = (_pool(candidate["backend"], candidate[role]) for role in ("prefill", "decode"))
        precision = _precision(candidate["decode"]["engine"])
        return Disaggregated(prefill=prefill, decode=decode, precision=precision)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"its deployment is incomplete ({error!r})") from error


def _pool(backend: str, item: Mapping[str, Any]) -> Pool:
    names = ("version", "max_num_seqs", "max_num_batched_tokens", "memory_frac")
    settings = {name: item["engine"][name] for name in names}
    drafted = item["engine"].get("speculative")  # answers from before drafts were searched lack it
    settings["draft"] = None if drafted is None else Draft(**drafted)
    return Pool(
        plan=ParallelPlan(**item["plan"]),
        engine=default_engine(backend, **settings),
        replicas=item["workers"],
    )


def _precision(engine: Mapping[str, Any]) -> Precision:
    return Precision(gemm=engine["gemm_dtype"], moe=engine["moe_dtype"], kv=engine["kv_dtype"])


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1e3
