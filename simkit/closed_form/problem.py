"""A Request with everything it names looked up: what the search works on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.hardware import TransferPath
from perfmodels.model.dtypes import Precision
from perfmodels.model.shape import ModelShape
from perfmodels.uncertainty.intervals import ErrorModel
from simkit.closed_form.residuals import family_of
from simkit.core.request import Request
from simkit.engines.engine_model import EngineModel
from simkit.engines.support import borrowed_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What measured runs cover: places are (GPU, engine, kind of model), families are `family_of` a shape,
    widest is the GPUs of the widest engine.
    """

    places: frozenset[tuple[str, str, str]]
    families: frozenset[str]
    widest: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question, ready to be searched.

    engines holds one EngineModel per backend to consider. domain is what measured runs
    cover; answers outside it are flagged. kv_formats: formats of the KV cache to try beside an engine's own,
    by backend. select: the row of the table to export, counted from 1.
    """

    request: Request
    engines: tuple[EngineModel, ...]
    total_gpus: int
    path: TransferPath
    errors: Mapping[str, ErrorModel]
    domain: Domain
    dynamo_rules: bool = False
    limit: int = 10
    select: int = 1
    kv_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shape(self) -> ModelShape:
        """The model's shape."""
        return self.engines[0].shape

    @property
    def precision(self) -> Precision:
        """The stored formats of the first engine."""
        return self.engines[0].precision

    def footing(self, model: EngineModel, engine_gpus: FloatLike) -> "Footing":
        """What predictions of engines of so many GPUs rest on."""
        hit = np.asarray(self.request.workload.prefix_hit)
        return footing(model, self.domain, np.asarray(engine_gpus, dtype=np.float64), hit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """What predictions rest on, arrays of one shape.

    measured: runs of the family exist, and of its kind of model on this GPU and engine. unaware: something is
    new that the residuals of measured runs do not know of, so predictions look surer than they are.
    """

    measured: NDArray[np.bool_]
    unaware: NDArray[np.bool_]

    def parts(self) -> Iterator[tuple[NDArray[np.bool_], dict[str, bool]]]:
        """Which rest on the same, as a mask, and on what; nothing is both measured and unaware."""
        for measured, unaware in ((True, False), (False, False), (False, True)):
            here = (self.measured == measured) & (self.unaware == unaware)
            if here.any():
                yield here, {"measured": measured, "unaware": unaware}


def footing(model: EngineModel, domain: Domain, engine_gpus: FloatArray, hit: FloatArray) -> Footing:
    """What predictions rest on; engine_gpus are those of one engine, hit the cached share of prompts."""
    place = (model.device.name, model.engine.backend, model.shape.architecture_class)
    known = place in domain.places and family_of(model.shape) in domain.families
    strange = model.engine.draft is not None or bool(borrowed_note(model.engine.backend))
    unaware = (engine_gpus > domain.widest) | (hit > 0.0) | strange
    return Footing(measured=known & ~unaware, unaware=unaware)
