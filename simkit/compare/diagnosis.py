"""Why a measurement differs from its prediction: each cause gives a prediction, compared with the run.

A cause explains as much as the error shrinks when the deployment is predicted as if the cause were at work.
Signs that the run itself carries (preemptions, late requests, cached prompts) raise it or rule it out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simkit.core.measured import Run

_ITL_WEIGHT = 2.0  # ITL varies less, so an error in it says more
_NO_SIGN = 0.6  # belief in a cause of which the run shows no sign
_RULED_OUT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A possible cause with the means it predicts [s] by metric (ttft, itl).

    sign: what in the run speaks for it, empty where nothing does; against: what speaks against it.
    tell: the one measurement that would settle it.
    """

    name: str
    says: str
    tell: str
    means: Mapping[str, float]
    sign: str = ""
    against: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A hypothesis with its rank: explained_frac of the error goes away under it; score also weighs signs."""

    name: str
    says: str
    tell: str
    explained_frac: float
    score: float
    means: Mapping[str, float]
    sign: str = ""
    against: str = ""


def distance(means: Mapping[str, float], measured: Mapping[str, float]) -> float:
    """How far predicted means are from measured ones: weighted absolute log ratios."""
    weights = {"ttft": 1.0, "itl": _ITL_WEIGHT}
    return sum(
        weights[name] * abs(math.log(means[name] / value))
        for name, value in measured.items()
        if name in weights and means.get(name, 0.0) > 0 and value > 0
    )


def ranked(
    before: Mapping[str, float], measured: Mapping[str, float], hypotheses: Sequence[Hypothesis]
) -> tuple[Cause, ...]:
    """Causes by score, best first; those that explain nothing are left out.

    before holds the predicted means without any cause at work.
    """
    gap = distance(before, measured)
    causes = [_cause(item, gap, measured) for item in hypotheses]
    useful = [cause for cause in causes if cause.score > 0.02]
    return tuple(sorted(useful, key=lambda cause: -cause.score))


def _cause(item: Hypothesis, gap: float, measured: Mapping[str, float]) -> Cause:
    left = distance(item.means, measured)
    explained = 1.0 - left / gap if gap > 0 else 0.0
    belief = _RULED_OUT if item.against else (1.0 if item.sign else _NO_SIGN)
    return Cause(
        name=item.name,
        says=item.says,
        tell=item.tell,
        explained_frac=max(explained, 0.0),
        score=max(explained, 0.0) * belief,
        means=item.means,
        sign=item.sign,
        against=item.against,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a run shows besides its latencies; empty strings where it shows nothing."""

    client_late: str = ""
    cache_full: str = ""
    cache_room: str = ""
    prompts_cached: str = ""
    prompts_fresh: str = ""
    bundled: str = ""
    single_tokens: str = ""


def signs_of(run: Run) -> Signs:
    """The signs in a run."""
    server = run.server
    icl, itl, ttft = run.icl.mean_s, run.itl.mean_s, run.ttft.mean_s
    late = run.client_delay_s or 0.0
    bundled = icl / itl if icl and itl else 0.0
    usage, preempted = (server.kv_usage_frac, server.preemptions) if server else (None, None)
    cached = server.cached_prompt_frac if server else None
    roomy = usage is not None and usage < 0.8
    return Signs(
        client_late=_client(late, ttft, server.ttft_s if server else None),
        cache_full=_full(usage, preempted),
        cache_room=f"the cache was never fuller than {usage:.0%}" if roomy else "",
        prompts_cached=f"{cached:.0%} of the prompt tokens were cached" if cached and cached > 0.05 else "",
        prompts_fresh="no prompt was in the prefix cache" if cached is not None and cached < 0.01 else "",
        bundled=f"{bundled:.1f} tokens come per chunk" if bundled > 1.2 else "",
        single_tokens="tokens come one by one" if 0 < bundled < 1.05 else "",
    )


def _client(late_s: float, ttft: float | None, server: float | None) -> str:
    if ttft and server and ttft > 1.2 * server:
        return f"the server's own TTFT is {server * 1e3:,.0f} ms, the client's {ttft * 1e3:,.0f} ms"
    if ttft and late_s > 0.1 * ttft:
        return f"requests were sent {late_s * 1e3:,.0f} ms late"
    return ""


def _full(usage: float | None, preempted: float | None) -> str:
    if preempted:
        return f"{preempted:.0f} requests were thrown out of the cache"
    return f"the cache was {usage:.0%} full" if usage is not None and usage > 0.95 else ""
