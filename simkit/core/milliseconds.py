"""Latencies in milliseconds that look like seconds: questioned wherever a user writes them."""

# Below these no serving engine answers, a small model on the fastest GPU included; in seconds they are usual.
_LEAST_MS = {"ttft": 5.0, "itl": 0.2}
_LONGEST_S = 600.0  # a request that takes longer is not asked for in seconds


def least_ms(metric: str, osl_tokens: float) -> float:
    """A bound on a latency (ttft, itl, e2e) of this many output tokens that nobody means below [ms]."""
    if metric == "e2e":
        return min(_LEAST_MS["ttft"] + _LEAST_MS["itl"] * max(osl_tokens - 1.0, 0.0), _LONGEST_S)
    return _LEAST_MS[metric]


def looks_like_seconds(metric: str, value_ms: float, osl_tokens: float) -> bool:
    """Whether this can only be seconds where milliseconds are meant."""
    return 0.0 < value_ms < least_ms(metric, osl_tokens)


def seconds_words(value_ms: float) -> tuple[str, str]:
    """What is wrong with such a value, and the value to write: `0.5 ms looks like seconds`."""
    return f"{value_ms:g} ms looks like seconds", f"write {value_ms * 1e3:g} for {value_ms:g} s"
