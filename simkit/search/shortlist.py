"""New order of the candidates after some of them were simulated."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simkit.core.estimate import Candidate
from simkit.search.picking import SURE_SHARE, TIE, Preference, robust_worth
from simkit.search.ties import NOISE_SDS

# What is known best goes first: held as simulated, held in closed form, missed as simulated, missed.
_HELD, _EXPECTED, _MISSED, _FAR = range(4)


def reranked(candidates: Sequence[Candidate], preference: Preference) -> list[Candidate]:
    """Best first, by the rule of the search with simulated figures where there are any.

    The first stays first if it holds as surely and is within 2 % of what the best gives, on as many GPUs
    where these decide: no simulation is better than that. Those that were not simulated keep their order.
    """
    if not any(item.simulated for item in candidates):
        return list(candidates)
    held = [i for i, item in enumerate(candidates) if _group(item) == _HELD]
    worth = dict(zip(held, _worths([candidates[i] for i in held], preference), strict=True))

    def key(position: int) -> tuple[float, ...]:
        item = candidates[position]
        group = _group(item)
        if group == _HELD:
            return (group, -worth[position], item.deployment.num_gpus, _e2e_s(item), position)
        if group == _MISSED and item.simulated:
            return (group, item.simulated.violation, item.deployment.num_gpus, _e2e_s(item), position)
        return (group, 0.0, 0, 0.0, position)

    order = sorted(range(len(candidates)), key=key)
    if 0 in held and _as_good(candidates[0], candidates[order[0]], preference):
        order = [0, *(i for i in order if i)]
    return [candidates[i] for i in order]


def _group(item: Candidate) -> int:
    if item.simulated:
        return _HELD if item.simulated.meets_sla else _MISSED
    return _EXPECTED if item.meets_sla else _FAR


def _worths(candidates: Sequence[Candidate], preference: Preference) -> list[float]:
    chance = np.array([_chance(item) for item in candidates])
    value = np.array([_value(item, preference) for item in candidates])
    return [float(worth) for worth in robust_worth(chance, value)]


def _as_good(one: Candidate, best: Candidate, preference: Preference) -> bool:
    same_gpus = one.deployment.num_gpus == best.deployment.num_gpus
    if preference.objective == "fewest_gpus" and not same_gpus:
        return False
    if _chance(one) < SURE_SHARE * _chance(best):
        return False
    return _figure(one, preference) >= (1.0 - TIE) * _figure(best, preference)


def _chance(item: Candidate) -> float:
    chance = item.sla_probability
    return 1.0 if chance is None else chance


def _value(item: Candidate, preference: Preference) -> float:
    """As the search values it: one over GPUs with throughput among equals, or throughput, or speed."""
    figure = _figure(item, preference)
    if preference.objective != "fewest_gpus":
        return figure
    return 1.0 / (item.deployment.num_gpus - 1e-6 * figure / (1.0 + figure))


def _figure(item: Candidate, preference: Preference) -> float:
    """Higher is better: one over latency, requests/s that keep every bound, or tokens per second.

    Tokens are per GPU where the load is given, or their cost counts.
    """
    if preference.objective == "latency":
        return 1.0 / max(_e2e_s(item), 1e-12)
    found = item.simulated or item.estimate
    if preference.objective == "goodput":  # without bounds every request is good
        return found.request_rate_per_s if found.goodput_per_s is None else found.goodput_per_s
    per_gpu = preference.objective in ("fewest_gpus", "cost")
    return found.output_tokens_per_s_per_gpu if per_gpu else found.output_tokens_per_s


def _e2e_s(item: Candidate) -> float:
    return (item.simulated or item.estimate).e2e.mean_s


def with_ties(
    candidates: Sequence[Candidate], log_sds: Sequence[float], preference: Preference
) -> tuple[Candidate, ...]:
    """The candidates with those marked that cannot be told from the first; log_sds is how unsure each is."""
    first = candidates[0]
    found = [replace(first, tied=False)]
    for item, log_sd in zip(candidates[1:], log_sds[1:], strict=True):
        ratio = _figure(item, preference) / max(_figure(first, preference), 1e-300)
        apart = abs(math.log(ratio)) / math.hypot(log_sd, log_sds[0]) if ratio > 0 else math.inf
        alike = apart <= NOISE_SDS and item.meets_sla == first.meets_sla
        if preference.objective == "fewest_gpus":
            alike = alike and item.deployment.num_gpus == first.deployment.num_gpus
        found.append(replace(item, tied=alike))
    return tuple(found)
