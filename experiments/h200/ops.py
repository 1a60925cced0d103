"""Our kernels where Triton can run them, plain torch elsewhere."""

import os
from types import ModuleType

import reference


def kernels_for(device: str) -> ModuleType:
    """Triton on a GPU (or under its interpreter, TRITON_INTERPRET=1), else the reference; both have LABEL."""
    if device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return reference
    try:
        import launchers
    except ImportError:
        return reference
    return launchers
