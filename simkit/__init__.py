"""simkit: how should I serve this model on these GPUs, and how sure are we?

The verbs are imported on first use, so that `import simkit` stays light.
"""

from importlib import import_module
from typing import Any

_VERBS = dict.fromkeys(("estimate", "recommend", "simulate"), "notebook") | {"load_request": "recommend"}

__all__ = list(_VERBS)


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module(f"simkit.verbs.{_VERBS[name]}"), name)
    raise AttributeError(f"module 'simkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
