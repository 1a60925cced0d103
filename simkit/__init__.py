"""simkit: how should I serve this model on these GPUs, and how sure are we?

The verbs are imported on first use, so that `import simkit` stays light.
"""

from typing import Any

_VERBS = ("estimate", "load_request", "recommend", "simulate")

__all__ = list(_VERBS)


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        from simkit import verbs

        return getattr(verbs, name)
    raise AttributeError(f"module 'simkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
