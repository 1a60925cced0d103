"""What decides how long a worker takes to start: its probe's patience and its compilation cache."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from simkit.adapters.dynamo_site import Site

Document = dict[str, Any]

SYSTEM_PORT = 9090  # the operator sets DYN_SYSTEM_PORT to it
_PERIOD_S = 10
_PATIENCE_S = 7200  # the operator's own
_COMPILE_S = 1800  # graph capture, autotuning
_DOWNLOAD_BYTES_PER_S = 50e6  # a slow but real rate from the Hub for a pod of many
_READ_BYTES_PER_S = 200e6  # a shared file system

_CACHE_MOUNT = "/home/dynamo/.cache/compilation"
# vLLM's is set by the operator (VLLM_CACHE_ROOT); it knows no variable for the others.
_CACHE_DIRS: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "vllm": {},
    "sglang": {
        "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    },
    "trtllm": {
        "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "FLASHINFER_WORKSPACE_BASE": "flashinfer", "TRTLLM_DG_CACHE_DIR": "deep_gemm",
    },
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilationCache:
    """The component's block and the environment that makes the engine use it."""

    block: Document = field(default_factory=dict)
    env: tuple[Document, ...] = ()


def startup_probe(site: Site) -> Document:
    """The operator's probe, with patience for models that load for longer than its two hours.

    Liveness and readiness stay the operator's, which also takes probes away from an engine's
    further nodes.
    """
    rate = _DOWNLOAD_BYTES_PER_S if site.cache is None else _READ_BYTES_PER_S
    loading_s = (site.request.deploy.cluster.model_bytes or 0.0) / rate
    patience_s = max(_PATIENCE_S, loading_s + _COMPILE_S)
    return {
        "httpGet": {"path": "/live", "port": SYSTEM_PORT},
        "periodSeconds": _PERIOD_S,
        "timeoutSeconds": 5,
        "failureThreshold": math.ceil(patience_s / _PERIOD_S),
    }


def compilation_cache(site: Site, backend: str) -> CompilationCache:
    """A claim for compiled kernels, shared by replicas and kept over restarts; empty unless asked for."""
    claim = site.request.deploy.cluster.compilation_cache
    if claim is None:
        return CompilationCache()
    env = [
        {"name": name, "value": f"{_CACHE_MOUNT}/{folder}"} for name, folder in _CACHE_DIRS[backend].items()
    ]
    return CompilationCache(
        block={"compilationCache": {"pvcName": claim, "mountPath": _CACHE_MOUNT}}, env=tuple(env)
    )
