"""Which measurements an answer rests on, by GPU, engine and kind of model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision
from simkit.engines.registry import engine_spec
from simkit.engines.support import GUIDE_RAPID, GUIDE_THOROUGH, unsupported

Basis = Literal["measured", "tables", "extrapolated", "unsupported"]

FAMILIES = ("dense", "gqa_moe", "mla_moe")
# Operator families that carry nearly all of a step; of each row any one set will do.
_ATTENTION = frozenset({"attention_prefill", "attention_decode"})
_LATENT = (
    frozenset({"mla_prefill", "mla_decode"}),
    frozenset({"mla_module_prefill", "mla_module_decode"}),
)
NEEDED: Mapping[str, tuple[frozenset[str], ...]] = {
    "dense": (_ATTENTION | {"gemm"},),
    "gqa_moe": (_ATTENTION | {"gemm", "moe"},),
    "mla_moe": tuple(latent | {"gemm", "moe"} for latent in _LATENT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One cell of the matrix: the best basis there is, and the particulars behind it."""

    gpu: str
    backend: str
    family: str
    basis: Basis
    runs: int = 0
    missing: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is at hand: counts of measured runs, and operator families with tables, by GPU and engine."""

    runs: Mapping[tuple[str, str, str], int]
    tables: Mapping[tuple[str, str], frozenset[str]]


def coverage(
    device: Device,
    relatives: tuple[Device, ...],
    question: tuple[str, str],
    precision: Precision,
    found: Evidence,
) -> Coverage:
    """The basis for one engine and kind of model, `question`, on a GPU.

    relatives: GPUs with operator tables, nearest first.
    """
    backend, family = question
    here = Coverage(gpu=device.name, backend=backend, family=family, basis="tables")
    reason = unsupported(backend, device, precision)
    if reason:
        return replace(here, basis="unsupported", reason=reason)
    runs = found.runs.get((device.name, backend, family), 0)
    missing = _missing(found.tables.get((device.name, backend), frozenset()), family)
    if runs:
        return replace(here, basis="measured", runs=runs, missing=missing)
    if not missing:
        return here
    return replace(
        here, basis="extrapolated", missing=missing, reason=_lenders(here, missing, relatives, found)
    )


def guide_search(gpu: str) -> str:
    """What Dynamo's guide says of a GPU: rapid, thorough, or nothing."""
    if gpu in GUIDE_RAPID:
        return "rapid"
    return "thorough" if gpu in GUIDE_THOROUGH else ""


def _missing(known: frozenset[str], family: str) -> tuple[str, ...]:
    """Operator families without measured data, for the best-covered kernel choice."""
    return min((tuple(sorted(needed - known)) for needed in NEEDED[family]), key=len)


def _lenders(here: Coverage, missing: tuple[str, ...], relatives: tuple[Device, ...], found: Evidence) -> str:
    """Whose tables stand in: another engine's on this GPU, or those of the nearest GPU that has any."""
    lenders: dict[str, list[str]] = {}
    lender = engine_spec(here.backend).fitted_as
    for family in missing:
        having = {gpu for (gpu, _), families in found.tables.items() if family in families}
        name = next((other.name for other in relatives if other.name in having), "")
        who = f"as on {name}" if name else "from peak rates"
        if name == here.gpu:
            own = lender != here.backend and family in found.tables.get((name, lender), ())
            who = f"from {lender}" if own else "from another engine"
        lenders.setdefault(who, []).append(family)
    return "; ".join(f"{', '.join(families)} {who}" for who, families in lenders.items())
