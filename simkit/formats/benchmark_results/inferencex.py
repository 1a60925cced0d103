"""InferenceX's (formerly InferenceMAX's) per-point results: vLLM's benchmark with times in seconds.

Its procedure is a closed loop of ten prompts per slot with lengths uniform from 0.8 to 1.0 of the nominal
ones; the files hold the nominal lengths.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.formats.benchmark_results.fields import needed, number, positive, sha256_of

_REQUESTS_PER_SLOT = 10.0
_SPREAD = 0.2


def is_inferencex(document: Any) -> bool:
    """Whether a parsed JSON file is an InferenceX point."""
    return isinstance(document, Mapping) and "conc" in document and "mean_ttft" in document


def read_inferencex(document: Mapping[str, Any], path: Path) -> Run:
    """The run in a parsed result. ISL and OSL are nominal; means are at nine tenths of them."""
    slots = needed(document, path, "conc")
    per_gpu = positive(document.get("output_tput_per_gpu"))
    gpus = _output_gpus(document)
    return Run(
        source=Source(tool="inferencex", path=str(path), sha256=sha256_of(path)),
        model=document["model"] if isinstance(document.get("model"), str) else None,
        isl_tokens=needed(document, path, "isl"),
        osl_tokens=needed(document, path, "osl"),
        concurrency=slots,
        requests_per_slot=_REQUESTS_PER_SLOT,
        length_spread=_SPREAD,
        num_requests=round(slots * _REQUESTS_PER_SLOT),
        ttft=_spread(document, "ttft"),
        itl=_spread(document, "tpot"),
        icl=_spread(document, "itl"),
        e2e=_spread(document, "e2el"),
        output_tokens_per_s=per_gpu * gpus if per_gpu and gpus else None,
        notes=_notes(document),
    )


def _spread(document: Mapping[str, Any], metric: str) -> MeasuredSpread:
    names = {"mean": "mean", "p50": "median", "std": "std"} | {q: q for q in ("p75", "p90", "p95", "p99")}
    return MeasuredSpread(
        **{f"{stat}_s": number(document.get(f"{key}_{metric}")) for stat, key in names.items()}
    )


def _output_gpus(document: Mapping[str, Any]) -> float | None:
    """The GPUs that output_tput_per_gpu was divided by: those that decode."""
    if document.get("is_multinode"):
        return positive(document.get("num_decode_gpu"))
    return positive(document.get("tp"))


def _notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = {
        "speculative decoding was on": str(document.get("spec_decoding", "none")).lower() not in ("none", ""),
        "throughput per GPU counts decode GPUs only": bool(document.get("is_multinode")),
    }
    return tuple(note for note, applies in found.items() if applies)


# --- what was deployed ----------------------------------------------------------------------------


def deployed_by_inferencex(document: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment as a point states it: hardware, framework, precision, sizes of every pool."""
    facts = {"gpu": document.get("hw"), "precision": document.get("precision")}
    framework = str(document.get("framework") or "").lower().replace("dynamo-", "").replace("-dynamo", "")
    facts["backend"] = {"trt": "trtllm", "sglang-disagg": "sglang"}.get(framework, framework) or None
    if document.get("is_multinode") and positive(document.get("decode_tp")):
        for role in ("prefill", "decode"):
            facts[f"{role}_workers"] = number(document.get(f"{role}_num_workers"))
            facts |= _sizes(document, f"{role}_")
    else:
        facts |= _sizes(document, "")
    return {name: value for name, value in facts.items() if value is not None}


def _sizes(document: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """With attention in data parallel, tp GPUs hold as many ranks of it."""
    gpus = int(positive(document.get(f"{prefix}tp")) or 1)
    ep = int(positive(document.get(f"{prefix}ep")) or 1)
    spread = str(document.get(f"{prefix}dp_attention", "")).lower() == "true"
    sizes = {"tp": 1 if spread else gpus, "attn_dp": gpus if spread else 1}
    experts = {"ep": ep, "moe_tp": max(gpus // ep, 1)} if ep > 1 else {}
    return {f"{prefix}{name}": value for name, value in (sizes | experts).items()}
