"""Speculative decoding as the engines' own flags.

Sources: the speculative-decoding pages of vLLM (one JSON of method, model and num_speculative_tokens),
SGLang (one flag per size; the chain of drafts that is predicted has a top-k of one) and TensorRT-LLM 1.3
(speculative_config.decoding_type and what goes with it).
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from perfmodels.parallel import ParallelPlan
from simkit.core.draft import Draft, draft_refusal
from simkit.core.errors import InputError

_NGRAM_SIZE = 4  # longest n-gram that is looked up in the prompt


def draft_flags(backend: str, draft: Draft, plan: ParallelPlan) -> list[str]:
    """The flags that make an engine draft so.

    Raises InputError for plans under which it would not start.
    """
    reason = draft_refusal(backend, draft, plan)
    if reason:
        raise InputError(reason)
    return _WRITERS[backend](draft)


def _vllm(draft: Draft) -> list[str]:
    method = "eagle3" if draft.method == "eagle" else draft.method
    config: dict[str, str | int] = {"method": method, "num_speculative_tokens": draft.tokens}
    if draft.model:
        config["model"] = draft.model
    if draft.method == "ngram":
        config["prompt_lookup_max"] = _NGRAM_SIZE
    return ["--speculative-config", json.dumps(config, separators=(",", ":"))]


def _sglang(draft: Draft) -> list[str]:
    algorithm = {"mtp": "EAGLE", "eagle": "EAGLE3", "ngram": "NGRAM"}[draft.method]
    flags = ["--speculative-algorithm", algorithm, "--speculative-num-draft-tokens", str(draft.queries)]
    if draft.model:
        flags += ["--speculative-draft-model-path", draft.model]
    if draft.method != "ngram":
        flags += ["--speculative-num-steps", str(draft.tokens), "--speculative-eagle-topk", "1"]
    return flags


def _trtllm(draft: Draft) -> list[str]:
    settings: dict[str, str | int] = {
        "decoding_type": {"mtp": "MTP", "eagle": "Eagle3", "ngram": "NGram"}[draft.method]
    }
    if draft.method == "mtp":
        settings["num_nextn_predict_layers"] = draft.tokens
    else:
        settings["max_draft_len"] = draft.tokens
    if draft.model:
        settings["speculative_model"] = draft.model
    if draft.method == "ngram":
        settings["max_matching_ngram_size"] = _NGRAM_SIZE
    return [
        part for key, value in settings.items() for part in (f"--trtllm.speculative_config.{key}", str(value))
    ]


_WRITERS: Mapping[str, Callable[[Draft], list[str]]] = MappingProxyType(
    {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}
)
