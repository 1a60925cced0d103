"""Latencies in milliseconds that look like seconds: questioned wherever a user writes them."""

# Below these no serving engine answers, a small model on the fastest GPU included; in seconds they are usual.
_LEAST_MS = {"ttft": 5.0, "itl": 0.2}


def least_ms(metric: str, osl_tokens: float) -> float:
    """What a latency (ttft, itl, e2e) of this many output tokens cannot be below [ms]."""
    if metric == "e2e":
        return _LEAST_MS["ttft"] + _LEAST_MS["itl"] * max(osl_tokens - 1.0, 0.0)
    return _LEAST_MS[metric]


def looks_like_seconds(metric: str, value_ms: float, osl_tokens: float) -> bool:
    """Whether this can only be seconds where milliseconds are meant."""
    return 0.0 < value_ms < least_ms(metric, osl_tokens)


def seconds_words(value_ms: float) -> tuple[str, str]:
    """What is wrong with such a value, and the value to write: `0.5 ms looks like seconds`."""
    return f"{value_ms:g} ms looks like seconds", f"write {value_ms * 1e3:g} for {value_ms:g} s"
