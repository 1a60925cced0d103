"""The arguments of a started engine: its model, its flags, and the settings file that they name."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.flag_reader import flat_settings, read_flags
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_spec, engine_specs
from simkit.formats.engine_command.starts import EngineStart

# --- What engines' own servers take beside the settings that are predicted.


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
# Each multiplies the GPUs of an engine in a way that no plan here says.
_MORE_GPUS = ("--context-parallel-size", "--cp-size", "--prefill-context-parallel-size", "-pcp")
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


def not_modelled(name: str, values: Sequence[str]) -> bool:
    """Whether a flag that no table knows may change what is predicted."""
    value = values[0].lower() if values else ""
    if name in _MORE_GPUS and value != "1":
        raise InputError(
            f"flag {name} {value[:20]!r}: context parallelism multiplies the engine's GPUs and is not "
            "modelled; drop it or set it to 1"
        )
    if name in _HARMLESS:
        return value not in _HARMLESS[name]
    return not is_server_flag(name) and not is_server_flag(name.replace("--no-", "--", 1))


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


_FILES = ("--config", "--extra-llm-api-options", "--extra-engine-args")
_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)(?:/snapshots/[^/]*)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What stands behind an engine's start. left are words that belong to no flag and are no model."""

    backend: str
    model: str | None
    flags: Flags
    left: tuple[str, ...] = ()

    @property
    def settings_file(self) -> str | None:
        """The YAML file with more settings; None when none is named."""
        return self.flags.text(_FILES) or None

    @property
    def served_name(self) -> str | None:
        """The name that clients use."""
        return self.flags.text(engine_spec(self.backend).flags.served_name)


def read_arguments(start: EngineStart) -> Arguments:
    """Model and flags of a started engine; the model may stand before or behind the flags.

    Raises InputError where two different models are named.
    """
    words = start.words
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    flags = _without_short_model(read_flags(words[first:]))
    table = engine_spec(start.backend).flags
    behind = [
        word for name, values in flags.items for word in spare_words(name, values, known=name in table.known)
    ]
    named, spare = flags.text(table.model), [*words[:first], *behind]
    if named is None and not spare and flags.items:
        spare = _behind_unknown_flag(flags, table.known)
    model = spare[0] if spare else named
    if named is not None and model != named:
        raise InputError(
            f"command line: two models are named, {str(model)[:60]!r} and {named[:60]!r} "
            f"({table.model[0]}); keep one"
        )
    return Arguments(backend=start.backend, model=model, flags=flags, left=tuple(spare[1:]))


def _without_short_model(flags: Flags) -> Flags:
    """SGLang and Dynamo write the model behind --model-path too; -m has long been short for it."""
    return Flags(items=tuple(("--model" if name == "-m" else name, values) for name, values in flags.items))


def _behind_unknown_flag(flags: Flags, known: frozenset[str]) -> list[str]:
    """The last word, when only an unknown flag stands before it: `--new-switch MODEL`."""
    name, values = flags.items[-1]
    return list(values[-1:]) if name not in known and not is_server_flag(name) else []


def with_settings(arguments: Arguments, document: Mapping[str, Any]) -> Arguments:
    """The arguments with those of the settings file.

    With some engines the file wins over flags, with the others flags win over the file.
    """
    items = arguments.flags.items
    command = engine_spec(arguments.backend).command
    if command.file_wins:
        # What a command line overrides by JSON, already spread out behind the flags, still counts last.
        last = tuple(item for item in items if item[0].startswith(command.dotted))
        found = [(f"{command.dotted}{path}", (text,)) for path, text in flat_settings(dict(document))]
        return replace(arguments, flags=Flags(items=(*items, *found, *last)))
    flags = Flags(items=(*_file_items(document), *items))
    table = engine_spec(arguments.backend).flags
    model = arguments.model or flags.text((*table.model, "--model"))
    return replace(arguments, flags=flags, model=model)


def _file_items(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A server's own YAML: its flags without the dashes."""
    for key, value in document.items():
        name = "--" + str(key).replace("_", "-")
        if value is None or value is True:
            yield name, ()
        elif value is False:
            yield f"--no-{name.removeprefix('--')}", ()
        elif isinstance(value, dict | list):
            yield name, (json.dumps(value, default=str),)
        else:
            yield name, (str(value),)


def model_names(arguments: Arguments) -> list[str]:
    """What the model may be called, likeliest first.

    A path on another machine says the model by its last parts, or as a snapshot of the Hugging Face
    cache; the served name may be the model's or any other.
    """
    given = arguments.model
    names = [given] if given else []
    if given and (match := _SNAPSHOT.search(given)):
        names.append(f"{match[1]}/{match[2]}")
    if given and given.startswith(("/", ".", "~")):
        parts = [part for part in given.split("/") if part not in ("", ".", "..", "~")]
        names += ["/".join(parts[-2:]), *parts[-1:]]
    if arguments.served_name:
        names.append(arguments.served_name)
    return list(dict.fromkeys(names))
