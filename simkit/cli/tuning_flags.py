"""Flags for the engines' own settings: what they leave open is searched."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simkit.cli.flag_groups import plain_flag, with_flags
from simkit.core.request import Request

_PANEL = "Engine settings"
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("max_num_seqs", int, "--max-num-seqs", "Most requests that one engine runs at once."),
    ("max_num_batched_tokens", int, "--max-num-batched-tokens", "Token budget of a step; else several."),
    ("kv_dtype", str, "--kv-dtype", "KV cache: auto, bf16, fp8, or both to search."),
    (
        "speculative", str, "--speculative",
        "Also search with speculative decoding, METHOD:TOKENS:ACCEPTANCE[:MODEL], as in mtp:3:0.8; "
        "methods mtp, eagle, ngram.",
    ),
)  # fmt: skip

with_tuning_flags = with_flags(
    "tuning", [plain_flag(_PANEL, name, kind, (option, text)) for name, kind, option, text in _OPTIONS]
)


def with_tuning(request: Request, tuning: Mapping[str, Any]) -> Request:
    """The request with the settings that were given."""
    from simkit.core.draft import parse_draft

    given = {name: value for name, value in tuning.items() if value is not None and name != "speculative"}
    if tuning.get("speculative"):
        given["draft"] = parse_draft(tuning["speculative"])
    return replace(request, tuning=replace(request.tuning, **given))
