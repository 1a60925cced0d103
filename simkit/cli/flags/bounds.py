"""Flags that bound a latency: `--ttft 1000`, or with a statistic of its own `--ttft p95:1000`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simkit.core.errors import InputError
from simkit.core.milliseconds import looks_like_seconds, seconds_words
from simkit.core.slo import STATISTICS, Slo, known_statistic
from simkit.formats.dgdr.rules import osl_tokens

STATISTIC_HELP = f"What bounds are on that name no statistic of their own: {', '.join(STATISTICS)}."

# The flags, and the name of each latency.
_METRICS = {"ttft": "ttft", "itl": "itl", "e2e_latency": "e2e"}
_EXPECTED = "expected milliseconds such as 1000, or a statistic and milliseconds such as p95:1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A bound as given; statistic is None where it names none."""

    value_ms: float
    statistic: str | None = None


def bounds_of(flags: Mapping[str, Any]) -> dict[str, Bound]:
    """The bounds that flags give, by flag. Raises InputError for one that is no number."""
    return {name: _parsed(name, str(flags[name])) for name in _METRICS if flags.get(name) is not None}


def refuse_seconds(bounds: Mapping[str, Bound], document: Mapping[str, Any]) -> None:
    """Raise InputError for a bound that can only be seconds; document is the request that flags changed."""
    for name, bound in bounds.items():
        if looks_like_seconds(_METRICS[name], bound.value_ms, osl_tokens(document)):
            raise InputError(f"{_option(name)} {'; '.join(seconds_words(bound.value_ms))}")


def with_own_statistics(slo: Slo, bounds: Mapping[str, Bound]) -> Slo:
    """The SLA with the statistics that bounds name."""
    own = {_METRICS[name]: bound.statistic for name, bound in bounds.items() if bound.statistic}
    return slo.with_statistics(own) if own else slo


def _parsed(name: str, text: str) -> Bound:
    statistic, separator, number = text.strip().rpartition(":")
    try:
        value_ms = float(number)
    except ValueError as error:
        raise InputError(f"{_option(name)} {text!r}: {_EXPECTED}") from error
    if not (math.isfinite(value_ms) and value_ms > 0):
        raise InputError(f"{_option(name)} {text}: a bound is a positive time; {_EXPECTED}")
    return Bound(value_ms=value_ms, statistic=known_statistic(statistic) if separator else None)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
