"""One engine serving one model on one GPU, with all that is known of it: the only maker of engine models."""

from dataclasses import replace

from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision, dtype
from simkit.catalog.calibrations import efficiency, shipped_residuals
from simkit.catalog.models import Model, counted_bytes
from simkit.catalog.operators import learned_times
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import default_engine, engine_spec


def engine_model(
    model: Model, device: Device, backend: str, precision: Precision | None = None, **settings: object
) -> EngineModel:
    """The engine with its defaults; settings are fields of EngineOptions that differ from them.

    precision: formats at run time, those in which the engine serves the checkpoint unless stated.
    """
    served = served_precision(model.precision, backend)
    chosen = precision or served
    stored = (chosen.gemm, chosen.moe) == (served.gemm, served.moe)
    return EngineModel(
        shape=model.shape,
        precision=chosen,
        device=device,
        engine=default_engine(backend, **settings),
        efficiency=efficiency(backend),
        learned=learned_times(device, backend),
        residuals=shipped_residuals(),
        weight_scale=weight_scale(model) if stored else 1.0,
    )


def weight_scale(model: Model) -> float:
    """Bytes of the checkpoint's files over the bytes counted from its shape; 1 where they are not known."""
    if model.weight_bytes is None:
        return 1.0
    return model.weight_bytes / counted_bytes(model.shape, model.precision)


def checkpoint_bytes(model: Model) -> float:
    """Bytes of the weights as they are downloaded."""
    return model.weight_bytes or counted_bytes(model.shape, model.precision)


def served_precision(stored: Precision, backend: str) -> Precision:
    """Formats at run time: some engines keep the cache of quantised checkpoints in a format of their own."""
    quantised = all(dtype(name).bytes_per_element < 1.1 for name in (stored.moe, stored.gemm))
    own = engine_spec(backend).formats.quantised_cache
    return replace(stored, kv=own) if own is not None and quantised else stored
