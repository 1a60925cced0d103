"""In which format each engine may keep the KV cache, as far as a request leaves it open."""

from dataclasses import dataclass

from perfmodels.device import Device
from perfmodels.dtypes import Precision
from simkit.core.support import fp8_cache
from simkit.core.tuning import Tuning

QUALITY = "an FP8 KV cache changes what the model answers: compare its quality on your own tasks first"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFormats:
    """The format an engine usually takes, others to try, and why it cannot do as asked (empty: it can)."""

    usual: str
    others: tuple[str, ...] = ()
    refusal: str = ""


def cache_formats(tuning: Tuning, backend: str, device: Device, stored: Precision) -> CacheFormats:
    """What a request's choice means for one engine, which by itself keeps the cache as `stored` says."""
    own = stored.kv
    full = own in ("bf16", "fp16")
    if tuning.kv_dtype == "auto":
        return CacheFormats(usual=own)
    reason = fp8_cache(backend, device)
    if tuning.kv_dtype == "both":
        return CacheFormats(usual=own, others=("fp8",) if full and not reason else ())
    if tuning.kv_dtype == "bf16":
        text = "" if full else f"{backend} keeps the KV cache of this checkpoint in {own}, not in bf16"
        return CacheFormats(usual=own, refusal=text)
    return CacheFormats(usual="fp8", refusal=reason)
