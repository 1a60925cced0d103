"""The engines that can be asked about, in the order in which they are shown. Another one is one more line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError, unknown_name
from simkit.core.words import listed
from simkit.engines import sglang, trtllm, vllm
from simkit.engines.spec import EngineSpec

_ENGINES: dict[str, EngineSpec] = {spec.name: spec for spec in (vllm.SPEC, sglang.SPEC, trtllm.SPEC)}


def engine_specs() -> tuple[EngineSpec, ...]:
    """Every engine. The first is taken where one is needed and none is named."""
    return tuple(_ENGINES.values())


def engine_names(where: Callable[[EngineSpec], bool] = lambda spec: True) -> tuple[str, ...]:
    """The names of all engines, or of those for which `where` holds."""
    return tuple(spec.name for spec in engine_specs() if where(spec))


def engine_spec(name: str) -> EngineSpec:
    """What is known of the engine. Raises UnknownNameError with the nearest names."""
    if name not in _ENGINES:
        raise unknown_name("backend", name, _ENGINES)
    return _ENGINES[name]


def default_engine(name: str, **changes: object) -> EngineOptions:
    """The engine's defaults with `changes` applied."""
    return replace(engine_spec(name).defaults, **changes)  # type: ignore[arg-type]


def engine_choices(*before: str) -> str:
    """The names to choose from, in words: `auto, vllm, sglang or trtllm`."""
    return listed((*before, *engine_names()), "or")


def example_start() -> str:
    """How a command line that starts an engine may begin: `vllm serve`."""
    return engine_specs()[0].server.shown[0]


@contextmanager
def registered(spec: EngineSpec) -> Iterator[EngineSpec]:
    """One more engine, for as long as the context lasts.

    Raises InputError where its name, label or colour is taken, or the engine that it is fitted as unknown.
    """
    for other in engine_specs():
        for field in ("name", "label", "colour"):
            if getattr(other, field) == getattr(spec, field):
                raise InputError(f"engine {spec.name!r}: its {field} is {other.name}'s; choose another one")
    if spec.fitted_as not in (spec.name, *_ENGINES):
        raise unknown_name("engine in fitted_as", spec.fitted_as, _ENGINES)
    _ENGINES[spec.name] = spec
    try:
        yield spec
    finally:
        del _ENGINES[spec.name]
