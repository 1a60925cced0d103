"""Simkit's simulator beside dynamo.replay: mean and 99th percentile of TTFT and ITL of every fixture."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ours import simulated
from steptimes import StepTimes
from variants import RULES, OurRules, replayed_with
from verify import FIXTURES, latencies_ms, statistic

AGREES = 0.05
STATISTICS = (("ttft_ms", "mean"), ("ttft_ms", "p99"), ("itl_ms", "mean"), ("itl_ms", "p99"))

# Which rules of ours account for the differences of more than 5 % (variants.py; the others make less).
TRACED: Mapping[str, tuple[str, ...]] = {
    "kv_preempt_fifo": ("last_goes",),
    "prefix_on": ("each_its_own",),
    "prefix_evict": ("each_its_own",),
    "mooncake": ("each_its_own",),
    "trtllm_prefix": ("each_its_own",),
    "pd_c16": ("link_in_turn", "first_at_admission"),
    "pd_rate": ("first_at_admission",),
    "pd_3_2": ("link_in_turn", "reserve_all", "first_at_admission"),
    "pd_link": ("link_in_turn", "each_its_own"),
    "pd_seqs": ("each_its_own",),
    "pd_kv": ("reserve_all",),
    "pd_trace": ("link_in_turn", "first_at_admission", "one_token_prefill"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one fixture; milliseconds in the order of STATISTICS.

    band: per statistic the least and the greatest that dynamo.replay gives where its step times change by up
    to 0.4 % (the recorded value twice for loads where that was not asked). rules: those of ours that account
    for the difference, and traced: what the mocker's rules give with these in place of its own.
    """

    name: str
    what: str
    recorded: tuple[float, ...]
    ours: tuple[float, ...]
    band: tuple[tuple[float, float], ...]
    rules: tuple[str, ...]
    traced: tuple[float, ...] | None

    @property
    def differences(self) -> tuple[float, ...]:
        """Ours over the recorded, less one."""
        return _apart(self.ours, self.recorded)

    @property
    def remainders(self) -> tuple[float, ...]:
        """What is left where the rules are ours, too: fractions of the traced values."""
        return _apart(self.ours, self.traced) if self.traced else self.differences

    @property
    def beyond(self) -> tuple[float, ...]:
        """How far ours is outside the band; 0 within."""
        outside = (
            min(value / low - 1.0, 0.0) + max(value / high - 1.0, 0.0)
            for value, (low, high) in zip(self.ours, self.band, strict=True)
        )
        return tuple(outside)

    @property
    def kind(self) -> str:
        """agrees, uncertain (agrees with the band only), traced, or (none so far) open."""
        if _within(self.differences):
            return "agrees"
        if self.traced is not None:
            return "traced" if _within(self.remainders) else "open"
        return "uncertain" if _within(self.beyond) else "open"


def names() -> list[str]:
    """All fixtures."""
    return sorted(path.stem for path in FIXTURES.glob("*.json") if path.name != "tables.json")


def verdict(name: str) -> Verdict:
    """Serve a fixture's requests on our simulator and, where a rule is named, by the mocker's with that."""
    case = fixture(name)
    profile = tables()[case["table"]]
    times = simulated(case, {key: np.array(values, dtype=float) for key, values in profile.items()})
    rules = TRACED.get(name, ())
    recorded = tuple(case["report"][key][mark] for key, mark in STATISTICS)
    spread = case["spread"]
    return Verdict(
        name=name,
        what=case["rule"],
        recorded=recorded,
        ours=summary(1e3 * times.ttft_s, 1e3 * times.itl_s),
        band=tuple((spread[key][mark][0], spread[key][mark][1]) for key, mark in STATISTICS)
        if spread
        else tuple((value, value) for value in recorded),
        rules=rules,
        traced=with_rules(case, *rules) if rules else None,
    )


def with_all_of_ours(case: dict[str, Any]) -> tuple[float, ...]:
    """Statistics under the mocker's rules, but for every one that ours has otherwise."""
    early = case["engine"].get("engine_type", "vllm") == "vllm"
    return with_rules(case, *(rule for rule in RULES if rule != "after_prefill" or not early))


def with_rules(case: dict[str, Any], *rules: str) -> tuple[float, ...]:
    """Statistics under the mocker's rules, but for these of ours."""
    times = StepTimes.of(tables()[case["table"]])
    return summary(*latencies_ms(replayed_with(case, times, OurRules.named(*rules))))


def summary(ttft_ms: np.ndarray, itl_ms: np.ndarray) -> tuple[float, ...]:
    """In the order of STATISTICS."""
    return tuple(statistic(values, mark) for values in (ttft_ms, itl_ms) for mark in ("mean", "p99"))


def fixture(name: str) -> dict[str, Any]:
    """A recorded run."""
    content: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def tables() -> dict[str, dict[str, list[float]]]:
    """The step times, by name."""
    content: dict[str, dict[str, list[float]]] = json.loads(
        (FIXTURES / "tables.json").read_text(encoding="utf-8")
    )
    return content


def _apart(values: tuple[float, ...], others: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(value / other - 1.0 for value, other in zip(values, others, strict=True))


def _within(differences: tuple[float, ...]) -> bool:
    return max(abs(difference) for difference in differences) <= AGREES
