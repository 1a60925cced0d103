"""An engine's own server for one pool: `vllm serve`, `sglang serve` or `trtllm-serve`, as it was predicted.

The words are pure; the programs are looked for where the user has them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from simkit.core.deployment import Pool
from simkit.core.errors import ExternalError
from simkit.engines.flag_writer import WorkerContext, worker_args
from simkit.engines.flags import TABLES
from simkit.io.tools import Tool, find_tool

ENGINES: Mapping[str, Tool] = MappingProxyType({
    "vllm": Tool(name="vllm", program="vllm", variable="SIMKIT_VLLM", steps=()),
    "sglang": Tool(name="sglang", program="sglang", variable="SIMKIT_SGLANG", steps=()),
    "trtllm": Tool(name="trtllm", program="trtllm-serve", variable="SIMKIT_TRTLLM", steps=()),
})  # fmt: skip
_DOTTED = "--trtllm."
# trtllm-serve has no flag for these: the file that --config names has.
_TRTLLM_KEYS: Mapping[str, str] = MappingProxyType({
    "--tensor-parallel-size": "tensor_parallel_size", "--pipeline-parallel-size": "pipeline_parallel_size",
    "--expert-parallel-size": "moe_expert_parallel_size", "--enable-attention-dp": "enable_attention_dp",
    "--max-batch-size": "max_batch_size", "--max-num-tokens": "max_num_tokens",
    "--max-seq-len": "max_seq_len",
})  # fmt: skip
_PASSED_OVER = ("--model-path", "--served-model-name")


def require_engine(backend: str, environ: Mapping[str, str] | None = None) -> Path:
    """The engine's program. Raises ExternalError with the remedy where it is not installed."""
    tool = ENGINES[backend]
    found = find_tool(tool, environ=os.environ if environ is None else environ)
    if found is None:
        raise ExternalError(
            f"{tool.program} is not on PATH; install {backend}, name the program by {tool.variable}, or "
            "measure a running server by --url"
        )
    return found


def engine_words(program: Path, pool: Pool, context: WorkerContext, settings: Path) -> list[str]:
    """The command of one engine but for its address; settings is where TensorRT-LLM's file will be.

    Raises InputError where the engine has no flag for what was predicted.
    """
    backend = pool.engine.backend
    given = worker_args(pool, "aggregated", context)
    if backend == "trtllm":
        return [str(program), "serve", context.model_path, "--config", str(settings)]
    if backend == "sglang":
        return [str(program), "serve", *given]
    model = TABLES[backend].model[0]
    place = given.index(model)
    return [str(program), "serve", context.model_path, *given[:place], *given[place + 2 :]]


def listed_name(pool: Pool, context: WorkerContext) -> str:
    """Under which name the server lists its model: trtllm-serve knows no other than the model's own."""
    if pool.engine.backend != "trtllm":
        return context.model_name
    return Path(context.model_path).name if Path(context.model_path).is_dir() else context.model_path


def trtllm_settings(pool: Pool, context: WorkerContext) -> dict[str, object]:
    """The document of TensorRT-LLM's settings file, nested as its LLM arguments are."""
    words = worker_args(pool, "aggregated", context)
    document: dict[str, object] = {}
    for place, word in enumerate(words):
        if not word.startswith("--") or word in _PASSED_OVER:
            continue
        after = words[place + 1] if place + 1 < len(words) else "--"
        path = word.removeprefix(_DOTTED) if word.startswith(_DOTTED) else _TRTLLM_KEYS.get(word)
        if path is not None:
            _put(document, path.split("."), True if after.startswith("--") else _value(after))
    return document


def _put(document: dict[str, object], path: list[str], value: object) -> None:
    inner = document
    for key in path[:-1]:
        below = inner.setdefault(key, {})
        if isinstance(below, dict):
            inner = below
    inner[path[-1]] = value


def _value(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
