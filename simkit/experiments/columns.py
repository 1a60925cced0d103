"""The columns of an experiment: what a file may vary, and what a dataset holds of every point."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Kind = Literal["text", "whole", "number", "flag"]
Do = Literal["predict", "simulate", "recommend", "benchmark"]
REPEATED: tuple[Do, ...] = ("simulate", "benchmark")  # chance plays a part: seeds and repeats

# What a file may vary, slowest first: points next to each other then share what is dear to look up.
AXES: Mapping[str, Kind] = MappingProxyType({
    "model": "text", "gpu": "text", "backend": "text", "backend_version": "text", "precision": "text",
    "kv_dtype": "text", "mode": "text", "rdma": "flag", "protocol": "text", "requests_per_slot": "number",
    "length_spread": "number", "prefix_hit": "number", "max_num_seqs": "whole",
    "max_num_batched_tokens": "whole",
    "decode_max_num_seqs": "whole", "plan": "text", "prefill": "text", "decode": "text", "tp": "whole",
    "pp": "whole", "attn_dp": "whole", "moe_tp": "whole", "ep": "whole", "num_gpus": "whole",
    "isl_tokens": "whole", "osl_tokens": "whole", "gpu_hour_price": "number", "sla_ttft_ms": "number",
    "sla_itl_ms": "number", "sla_e2e_ms": "number", "request_rate_per_s": "number", "concurrency": "number",
    "burstiness": "number", "shared_prefix_tokens": "whole", "requests": "whole", "repeat": "whole",
})  # fmt: skip
SIZES = ("tp", "pp", "attn_dp", "moe_tp", "ep")
POOLS: Mapping[str, Kind] = MappingProxyType(
    {f"{role}_{size}": "whole" for role in ("prefill", "decode") for size in ("workers", *SIZES)}
)
POINT: Mapping[str, Kind] = MappingProxyType({"point": "text", **AXES, **POOLS, "seed": "whole"})

PREFIX: Mapping[Do, str] = MappingProxyType({
    "predict": "predicted_", "recommend": "predicted_", "simulate": "simulated_", "benchmark": "measured_",
})  # fmt: skip
SAID: Mapping[Do, str] = MappingProxyType({
    "predict": "predicted (closed form)", "simulate": "simulated", "recommend": "searched",
    "benchmark": "measured",
})  # fmt: skip
_LATENCIES = tuple(
    f"{metric}_ms_{statistic}"
    for metric in ("ttft", "itl", "e2e")
    for statistic in ("mean", "p50", "p90", "p99", "lo", "hi")
)
METRICS = (
    *_LATENCIES, "output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user",
    "request_rate_per_s", "concurrency", "num_gpus", "goodput_per_s", "kv_capacity_tokens",
    "cost_per_million_output_tokens",
)  # fmt: skip
_VERDICTS: Mapping[str, Kind] = MappingProxyType({
    "sla_probability": "number", "meets_sla": "flag", "in_domain": "flag", "overloaded": "flag",
    "doubtful": "flag", "source": "text", "error": "text",
})  # fmt: skip


def dataset_columns(do: Do) -> dict[str, Kind]:
    """Every column of a dataset with what it holds."""
    prefixes = (PREFIX[do], *((PREFIX["predict"],) if do == "benchmark" else ()))
    results: dict[str, Kind] = {f"{prefix}{name}": "number" for prefix in prefixes for name in METRICS}
    return {**POINT, **results, **_VERDICTS}


def column_of(name: str, do: Do) -> str:
    """A column by its name, which for a result may leave out who says so: ttft_ms_mean."""
    whole = f"{PREFIX[do]}{name}"
    known = dataset_columns(do)
    return whole if name not in known and whole in known else name
