"""An engine's name in a document that pydantic checks: one of those registered, whenever it is read."""

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from simkit.core.words import listed
from simkit.engines.registry import engine_names


def _engine_or_auto(value: Any) -> Any:
    known = ("auto", *sorted(engine_names()))
    if isinstance(value, str) and value in known:
        return value
    expected = listed([repr(name) for name in known], "or")
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})


EngineOrAuto = Annotated[str, BeforeValidator(_engine_or_auto)]
