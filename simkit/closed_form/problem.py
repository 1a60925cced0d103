"""A Request with everything it names looked up: what the search works on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from perfmodels.hardware import TransferPath
from perfmodels.model.dtypes import Precision
from perfmodels.model.shape import ModelShape
from perfmodels.uncertainty.intervals import ErrorModel
from simkit.closed_form.residuals import family_of
from simkit.core.request import Request
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What measured runs cover: places are (GPU, engine, kind of model), families are `family_of` a shape."""

    places: frozenset[tuple[str, str, str]]
    families: frozenset[str]


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

    def covers(self, model: EngineModel) -> bool:
        """Whether measured runs exist for this family, and for its kind of model on this GPU and engine."""
        return is_measured(model, self.domain)


def is_measured(model: EngineModel, domain: Domain) -> bool:
    """Whether the domain holds the family, and its kind on the GPU by the engine; none of them drafted."""
    place = (model.device.name, model.engine.backend, model.shape.architecture_class)
    known = place in domain.places and family_of(model.shape) in domain.families
    return known and model.engine.draft is None
