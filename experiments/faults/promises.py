"""What must hold of every request, however it is made: a Request or a named error, never anything else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.errors import SimkitError
from simkit.core.request import Request
from simkit.engines.registry import default_engine
from simkit.formats.dgd.render import render
from simkit.formats.dgdr.read import dgdr_faults, request_from_document, request_to_document
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import dump_yaml, parse_documents

_LONGEST_MESSAGE = 200_000


class BrokenPromiseError(AssertionError):
    """A reader did what it must not."""


def check_document(document: Mapping[str, Any], seen: Counter[str]) -> None:
    """Read a document every way there is; `seen` counts what came of it."""
    for fault in validate_documents([document], "mutated"):
        _plain(str(fault))
    faults = dgdr_faults(document)
    try:
        request = request_from_document(document, "mutated")
    except SimkitError as error:
        _plain(str(error))
        _demand(bool(faults), f"refused without a fault: {error}")
        seen["refused"] += 1
        return
    _demand(not faults, f"accepted in spite of {faults}")
    seen["accepted"] += 1
    _check_round_trip(request)
    _check_rendering(request, seen)


def check_text(text: str, seen: Counter[str]) -> None:
    """Read a text; what is YAML is then read as documents."""
    try:
        documents = parse_documents(text, "mutated.yaml")
    except SimkitError as error:
        _plain(str(error))
        seen["not YAML"] += 1
        return
    for document in documents:
        if isinstance(document, dict):
            check_document(document, seen)
    validate_documents(documents, "mutated.yaml")


def _check_round_trip(request: Request) -> None:
    """Written out and read again, a request is the same, but for remarks on how it was spelt."""
    again = request_from_document(request_to_document(request), request.source)
    _demand(replace(again, warnings=()) == replace(request, warnings=()), "changed by writing and reading")


def _check_rendering(request: Request, seen: Counter[str]) -> None:
    """A deployment for the request is written, and is valid unless an override said otherwise."""
    try:
        documents = render(_deployment(request), request, model=request.model, gpus_per_node=8, total_gpus=16)
        texts = dump_yaml(documents)
    except SimkitError as error:
        _plain(str(error))
        seen["not rendered"] += 1
        return
    read = parse_documents(texts, "dgd.yaml")
    _demand(read == parse_documents(dump_yaml(read), "dgd.yaml"), "changed by writing and reading the DGD")
    seen["rendered"] += 1
    if request.deploy.dgd_override is None:
        faults = validate_documents(read, "dgd.yaml")
        _demand(not faults, f"rendered with {[str(fault) for fault in faults]}")


def _deployment(request: Request) -> Deployment:
    backend = "vllm" if request.backend == "auto" else request.backend
    pool = Pool(plan=ParallelPlan(tp=2), engine=default_engine(backend), replicas=2)
    if request.deploy.planner is None:
        return Aggregated(worker=pool)
    return Disaggregated(prefill=pool, decode=pool)


def _plain(message: str) -> None:
    _demand(len(message) <= _LONGEST_MESSAGE, f"a message of {len(message)} characters")
    odd = [char for char in message if ord(char) < 32 or ord(char) == 127]
    _demand(not odd, f"control characters {odd[:5]!r} in {message[:300]!r}")


def _demand(condition: bool, what: str) -> None:
    if not condition:
        raise BrokenPromiseError(what)
