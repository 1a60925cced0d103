"""What several engines have in common: names of quantisations, flags of sizes, a plain memory fraction."""

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.core.json_texts import is_json, json_value
from simkit.engines.flags import FlagTable

NGRAM_SIZE = 4  # longest n-gram that is looked up in the prompt
KV_EVENTS_FLAG = "--kv-events-config"
_NEWEST = (9999,)
PLAIN_FIXED_GIB = (((10000,), 2.0, 0.4),)  # context, graphs and buffers; more with peers

# None: the checkpoint's own files say the format.
QUANTIZATIONS: Mapping[str, str | None] = MappingProxyType({
    "fp8": "fp8", "mxfp8": "mxfp8", "awq": "int4_wo", "awq_marlin": "int4_wo", "gptq": "int4_wo",
    "gptq_marlin": "int4_wo", "marlin": "int4_wo", "moe_wna16": "int4_wo", "bitsandbytes": "int4_wo",
    "modelopt_fp4": "nvfp4", "modelopt_mixed": None, "petit_nvfp4": "nvfp4", "mxfp4": "mxfp4",
    "compressed-tensors": None, "quark": None, "gguf": None, "auto-round": "int4_wo", "humming": None,
})  # fmt: skip


def constant_fraction(share: float) -> Callable[[float, PlanArray], FloatArray]:
    """An engine's own memory fraction that no plan changes."""

    def fraction(memory_mib: float, plan: PlanArray) -> FloatArray:
        found: FloatArray = share * np.ones(np.shape(plan.tp))
        return found

    return fraction


def json_text(settings: Mapping[str, object]) -> str:
    """Settings as the value of one flag."""
    return json.dumps(settings, separators=(",", ":"))


def json_field(text: str | None, key: str) -> str:
    """One field of a JSON flag, in lower case; empty where it is not there."""
    document = json_value(text, "JSON of a flag") if text and is_json(text) else None
    return str(document.get(key) or "").lower() if isinstance(document, dict) else ""


def sizes(table: FlagTable, tp: int, plan: ParallelPlan) -> list[str]:
    """The flags of tensor- and pipeline-parallel size."""
    return [table.tp[0], str(tp), table.pp[0], str(plan.pp)]


def version_numbers(version: str | None) -> tuple[int, ...]:
    """Leading numbers of a version; an unknown one counts as newer than any known."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in found.groups()) if found else _NEWEST
