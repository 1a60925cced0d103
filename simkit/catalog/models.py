"""From a model's name or folder to what the performance models need."""

from dataclasses import dataclass, replace
from functools import lru_cache

from perfmodels.memory import weight_bytes_per_gpu
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.hf_config import shape_from_config
from perfmodels.model.hf_precision import precision_from_config, weights_per_scale
from perfmodels.model.params import total_params
from perfmodels.model.shape import ModelShape
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.model_files import ModelEntry
from simkit.catalog.model_lookup import model_config
from simkit.core.errors import InputError
from simkit.io.reading import DAMAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as deployed: its id, shape, stored formats, and what was assumed on the way."""

    name: str
    shape: ModelShape
    precision: Precision
    source: str
    weight_bytes: float | None
    notes: tuple[str, ...]


@lru_cache(maxsize=256)
def load_model(name: str) -> Model:
    """The model called `name`, or described by the folder or config.json at that path."""
    entry = model_config(name)
    try:
        shape = shape_from_config(entry.config, name=entry.name)
        precision = precision_from_config(entry.config, entry.hf_quant_config)
    except DAMAGE as error:
        raise InputError(
            f"model {name!r}: its config.json cannot be read as a language model ({error}); "
            "check that it is the Hugging Face config of the text model"
        ) from error
    if entry.precision_hint:
        hint = dtype(entry.precision_hint).name
        # Mixtures of experts in 4 bits keep the rest as it was; a dense model has nothing else.
        narrow = shape.is_moe and dtype(hint).bytes_per_element < 1
        precision = replace(precision, gemm=precision.gemm if narrow else hint, moe=hint)
    return Model(
        name=entry.name,
        shape=shape,
        precision=precision,
        source=entry.source,
        weight_bytes=entry.weight_bytes or _scaled_bytes(entry, shape, precision),
        notes=(*entry.notes, *shape.notes, *_beside_index(entry, shape, precision)),
    )


def counted_bytes(shape: ModelShape, precision: Precision) -> float:
    """Bytes of all weights, as counted from the shape."""
    return float(weight_bytes_per_gpu(shape, precision, PlanArray.of([ParallelPlan()]))[0])


_SCALE_BYTES = 2.0
_USUAL_GROUP = 128  # what int4_wo counts


def _scaled_bytes(entry: ModelEntry, shape: ModelShape, precision: Precision) -> float | None:
    """Bytes of 4-bit experts whose scales serve fewer weights than usual; None where they are usual."""
    size = weights_per_scale(entry.config)
    if precision.moe != "int4_wo" or precision.gemm == "int4_wo" or size in (None, _USUAL_GROUP):
        return None
    counted, bare = counted_bytes(shape, precision), dtype("int4_wo").bytes_per_element
    wider = counted_bytes(shape, replace(precision, moe="fp8")) - counted
    weights = wider / (dtype("fp8").bytes_per_element - bare)
    return counted + weights * (_SCALE_BYTES / size - _SCALE_BYTES / _USUAL_GROUP)


_INDEX_TOLERANCE = 0.02


def _beside_index(entry: ModelEntry, shape: ModelShape, precision: Precision) -> tuple[str, ...]:
    """What to tell where the weights' own index and the reading of config.json are far apart."""
    if entry.weight_params:
        found, counted, unit = entry.weight_params / 1e9, total_params(shape) / 1e9, "billion parameters"
    elif entry.weight_bytes:
        found, counted, unit = entry.weight_bytes / 1e9, counted_bytes(shape, precision) / 1e9, "GB"
    else:
        return ()
    if abs(counted / found - 1) <= _INDEX_TOLERANCE:
        return ()
    return (
        f"the checkpoint's index says {found:,.2f} {unit}, config.json was read as {counted:,.2f} "
        f"({counted / found - 1:+.0%}): a size is read wrong, or there are a vision tower or prediction "
        "layers, which are not counted",
    )
