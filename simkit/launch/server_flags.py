"""What engines' own servers take beside the settings that are predicted, and what of it may matter."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from simkit.core.errors import InputError
from simkit.engines.registry import engine_specs

# Addresses, names, logs, parsers of the answer, how weights are found: none changes the engine's steps.
_SERVER = (
    "host", "port", "api-key", "served-model-name", "tokenizer", "tokenizer-mode", "tokenizer-path",
    "tokenizer-revision", "revision", "code-revision", "hf-token", "hf-config-path", "download-dir",
    "load-format", "safetensors-load-strategy", "seed", "random-seed", "trust-remote-code", "chat-template",
    "chat-template-content-format", "default-chat-template-kwargs", "response-role",
    "enable-auto-tool-choice", "tool-call-parser", "tool-parser", "tool-parser-plugin", "reasoning-parser",
    "enable-reasoning", "generation-config", "override-generation-config", "logits-processors",
    "max-logprobs", "uvicorn-log-level", "log-level", "log-level-http", "log-config-file", "log-requests",
    "log-requests-level", "no-enable-log-requests", "enable-log-requests", "disable-log-requests",
    "disable-log-stats", "disable-uvicorn-access-log", "enable-metrics", "enable-server-load-tracking",
    "show-time-cost", "decode-log-interval", "root-path", "middleware", "allow-credentials",
    "allowed-origins", "allowed-methods", "allowed-headers", "ssl-keyfile", "ssl-certfile", "ssl-ca-certs",
    "disable-fastapi-docs", "enable-request-id-headers", "enable-prompt-tokens-details",
    "enable-force-include-usage", "return-tokens-as-token-ids", "allowed-local-media-path",
    "enable-cache-report", "sampling-backend", "grammar-backend", "guided-decoding-backend",
    "structured-outputs-config", "sampling-defaults", "watchdog-timeout", "soft-watchdog-timeout",
    "skip-server-warmup", "warmups", "api-server-count", "api-server-cnt", "distributed-executor-backend",
    "nnodes", "node-rank", "master-addr", "master-port", "headless", "dist-init-addr", "nccl-init-addr",
    "nccl-port", "dist-timeout", "data-parallel-address", "data-parallel-rpc-port", "data-parallel-backend",
    "data-parallel-size-local", "data-parallel-start-rank", "data-parallel-hybrid-lb",
    "data-parallel-external-lb", "data-parallel-rank", "base-gpu-id", "gpus-per-node",
    "num-postprocess-workers", "metadata-server-config-file", "server-role", "disagg-cluster-uri", "config",
    "extra-llm-api-options", "otlp-traces-endpoint", "collect-detailed-traces",
    "show-hidden-metrics-for-version", "disaggregation-bootstrap-port", "disaggregation-transfer-backend",
    "disaggregation-ib-device", "kv-transfer-config", "kv-events-config", "enable-sleep-mode", "model-impl",
    "file-storage-path", "tokenizer-worker-num", "namespace", "endpoint", "dyn-tool-call-parser",
    "dyn-reasoning-parser", "custom-jinja-template", "connector", "store-kv",
    "request-plane", "event-plane", "discovery-backend", "durable-kv-events",
    "task", "cuda-graph-max-bs", "cuda-graph-bs", "cudagraph-capture-sizes", "max-cudagraph-capture-size",
    "max-seq-len-to-capture",
)  # fmt: skip
_SERVER_FLAGS = frozenset(f"--{name}" for name in _SERVER)
# These do not matter with these values only.
_HARMLESS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "--dtype": ("auto", "half", "float16", "bfloat16"),
    "--backend": ("pytorch",),
    "--task": ("auto", "generate"),
    "--runner": ("auto", "generate"),
    "--enable-chunked-prefill": ("", "true"),
    "--max-beam-width": ("1",),
    "--context-parallel-size": ("1",),
    "--cp-size": ("1",),
    "--decode-context-parallel-size": ("1",),
    "-dcp": ("1",),
    "--prefill-context-parallel-size": ("1",),
    "-pcp": ("1",),
})  # fmt: skip
# None of these is said by a plan here, and each changes what an engine holds.
_MORE_GPUS = (
    "--context-parallel-size", "--cp-size", "--prefill-context-parallel-size", "-pcp", "--attn-cp-size",
)  # fmt: skip
_SPREAD_CACHE = ("--decode-context-parallel-size", "-dcp", "--dcp-size")
_SWITCH = re.compile(r"--(?:no-|enable-|disable-|skip-|use-|trust-|is-|show-|return-|publish-|fail-)\S*")
_SWITCHES = frozenset({
    "-ep", "--enforce-eager", "--async-scheduling", "--headless", "--language-model-only",
    "--calculate-kv-scales", "--log-requests", "--data-parallel-hybrid-lb", "--data-parallel-external-lb",
    "--grpc-mode", "--quantize-and-serve",
})  # fmt: skip
_LISTS = frozenset({
    "--served-model-name", "--cuda-graph-bs", "--cuda-graph-bs-decode", "--cudagraph-capture-sizes",
    "--lora-paths", "--lora-modules", "--api-key", "--middleware", "--logits-processors",
})  # fmt: skip


def is_server_flag(name: str) -> bool:
    """Whether a flag is the server's and changes no step."""
    return name in _SERVER_FLAGS or any(name in spec.server.flags for spec in engine_specs())


def not_modelled(name: str, values: Sequence[str], *, own: bool = False) -> bool:
    """Whether a flag that no table knows may change what is predicted; own: it is Dynamo's worker's."""
    value = values[0].lower() if values else ""
    plain = "--" + name.rpartition(".")[2].lstrip("-").replace("_", "-")  # as settings files write it
    if {name, plain} & set(_MORE_GPUS) and value != "1":
        raise InputError(
            f"flag {name} {value[:20]!r}: context parallelism multiplies the engine's GPUs and is not "
            "modelled; drop it or set it to 1"
        )
    if name in _SPREAD_CACHE and value != "1":
        raise InputError(
            f"flag {name} {value[:20]!r}: decode context parallelism spreads the cache of a sequence over "
            "the ranks, which is not modelled; drop it or set it to 1"
        )
    if name in _HARMLESS:
        return value not in _HARMLESS[name]
    return not own and not is_server_flag(name) and not is_server_flag(name.replace("--no-", "--", 1))


def spare_words(name: str, values: Sequence[str], *, known: bool) -> tuple[str, ...]:
    """Words after a flag that are not its values: a model written behind the flags, or leftovers.

    known: whether the flag is in the engine's table. How many values another flag takes is not
    known, so it keeps all it has.
    """
    if name in _LISTS:
        return ()
    if name in _SWITCHES or _SWITCH.fullmatch(name):
        boolean = values and values[0].lower() in ("true", "false", "0", "1")
        return tuple(values[1:] if boolean else values)
    return tuple(values[1:]) if known or is_server_flag(name) or name in _HARMLESS else ()
