"""The answer in words: what was chosen, what binds, what else was close, what simulating changed."""

from simkit.core.estimate import Candidate, Recommendation, TradeOff
from simkit.core.request import is_loaded
from simkit.core.slo import Slo
from simkit.core.words import amount, at_least, bound_label, counted, gpus, layout, milliseconds
from simkit.core.words import bound_label as _label
from simkit.core.words import milliseconds as _ms
from simkit.explain.defaults import candidate_beside_defaults
from simkit.explain.remarks import settings_words
from simkit.search.picking import SURE_SHARE, Preference


def explanation(rec: Recommendation) -> tuple[str, ...]:
    """The choice, what binds or is missed, what it rests on, what else was close; then what was simulated."""
    own = rec.unchosen
    lines = (_choice(own.selected), _bounds(own), *_footing(own), _runner_up(own), *finalist_lines(own))
    return (_chosen(rec), *lines) if rec.chosen else lines


def trade_off_lines(rec: Recommendation) -> tuple[str, ...]:
    """One line for each change of the question: what would be chosen, and what it gains."""
    return tuple(_trade_off(item, rec.unchosen) for item in rec.trade_offs)


def _chosen(rec: Recommendation) -> str:
    name = f"{rec.selected.deployment.backend} {layout(rec.selected.deployment)}"
    verdict = "" if rec.meets_sla else ", which does not keep what was asked,"
    return (
        f"Row {rec.chosen + 1}, {name},{verdict} is exported as selected; the search would take the first, "
        "of which the next lines speak."
    )


def _choice(best: Candidate) -> str:
    estimate, deployment = best.estimate, best.deployment
    mode = "aggregated" if deployment.mode == "agg" else "disaggregated"
    return (
        f"{deployment.backend} {mode}, {layout(deployment)} on {gpus(deployment.num_gpus)}, is expected to "
        f"give {amount(estimate.output_tokens_per_s)} output tokens/s "
        f"({amount(estimate.output_tokens_per_s_per_gpu)} per GPU) at "
        f"{counted(estimate.concurrency, 'request in flight')}; the largest share of the time goes to "
        f"{estimate.bottleneck}."
    )


def _bounds(rec: Recommendation) -> str:
    best, slo = rec.selected, rec.request.slo
    if best.estimate.overloaded:
        return (
            "No configuration within the GPUs sustains the load asked for; the one shown comes nearest with "
            f"{best.estimate.request_rate_per_s:,.2f} requests/s: add GPUs or lower the load."
        )
    if not slo.bounds:
        return "No latency bound was given, so throughput alone decided."
    if slo.assumed:
        return f"{candidate_beside_defaults(best, slo)}; they led the choice."
    ratios = {
        name: best.bounded_s(name, slo.statistic_of(name)) / bound for name, bound in slo.bounds.items()
    }
    tightest = max(ratios, key=lambda name: ratios[name])
    name, figure = _named(tightest, slo), best.bounded_s(tightest, slo.statistic_of(tightest))
    pair = f"{_ms(figure)} against {_ms(slo.bounds[tightest])}"
    pair += " as simulated" if best.simulated else ""
    if rec.meets_sla:
        chance = best.sla_probability or 0.0
        return (
            f"{name} is the tightest bound, {pair}, and all bounds hold with probability "
            f"{chance:.0%}{_instead(rec)}."
        )
    return (
        f"No configuration within the GPUs holds the SLA; the nearest misses {name} with {pair}: "
        f"{_way_out(rec)}."
    )


def _footing(rec: Recommendation) -> tuple[str, ...]:
    """That the choice is an extrapolation, and the best that is none; nothing where it is none."""
    best = rec.selected
    if best.estimate.in_domain:
        return ()
    known = next(
        (item for item in rec.candidates if item.estimate.in_domain and item.meets_sla >= best.meets_sla),
        None,
    )
    instead = "nor is one like any other candidate"
    if known is not None:
        instead = f"the best that is none, {_name(known, rec)}, differs by {_gain(known, best)}"
        instead += _surety(known, best)
    return (
        "The choice is an extrapolation, as no measured run is like it; its errors may be larger than its "
        f"interval says; {instead}.",
    )


def _named(name: str, slo: Slo) -> str:
    """`TTFT`, or `TTFT p95` where the bound is on a percentile."""
    statistic = slo.statistic_of(name)
    return _label(name) if statistic == "mean" else f"{_label(name)} {statistic}"


def _instead(rec: Recommendation) -> str:
    """The expected best and why it was not taken; empty where it was."""
    best, other = rec.selected, rec.expected_best
    if other is None or (other.deployment == best.deployment and other.estimate == best.estimate):
        return ""
    chance = other.estimate.sla_probability or 0.0
    gain = _gain(other, best)
    name = _name(other, rec)
    return f"; {name} has better expected figures ({gain}), but meets the SLA with {chance:.0%} only"


def _name(item: Candidate, rec: Recommendation) -> str:
    """Engine and layout, and the number in flight where it was chosen with them: no load was given."""
    own, best = item.deployment, rec.selected.deployment
    name = f"{own.backend} {layout(own)}"
    if not is_loaded(rec.request):
        name = f"{name} at {item.estimate.concurrency:,.0f} in flight"
    words = settings_words(own)
    if (own.backend, layout(own)) == (best.backend, layout(best)) and words != settings_words(best):
        name = f"{name} with {words or 'the usual settings'}"
    return name


def _gain(other: Candidate, best: Candidate) -> str:
    """How one candidate differs from another, in the first of GPUs, throughput and latency that does."""
    extra = other.deployment.num_gpus - best.deployment.num_gpus
    change = other.estimate.output_tokens_per_s / max(best.estimate.output_tokens_per_s, 1e-12) - 1.0
    words = [f"{gpus(abs(extra))} {'more' if extra > 0 else 'fewer'}"] if extra else []
    return ", ".join([*words, f"{change:+.0%} output tokens/s"])


def _way_out(rec: Recommendation) -> str:
    """Which bound alone would save the SLA and by how much; else which must give together."""
    slo = rec.request.slo
    found = [(item.bound, item.needed_s, item.asked_s) for item in rec.relaxations]
    joint = [
        (name, rec.selected.bounded_s(name, slo.statistic_of(name)), bound)
        for name, bound in slo.bounds.items()
    ]
    ways = [
        f"{_label(name)} to {at_least(needed_s * 1e3)} ms ({_more(needed_s / asked_s)})"
        for name, needed_s, asked_s in found or joint
        if needed_s > asked_s
    ]
    return f"relax {(' or ' if found else ' and ').join(ways)}, or add GPUs"


def _more(ratio: float) -> str:
    """`12% more`, `2.4 times`, `140 times`."""
    if ratio < 2:
        return f"{ratio - 1:.0%} more"
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:,.0f} times"


def _runner_up(rec: Recommendation) -> str:
    if len(rec.candidates) == 1:
        return "No other layout is left to compare with."
    first, second = rec.candidates[:2]
    tied = sum(item.tied for item in rec.candidates)
    extra = second.deployment.num_gpus - first.deployment.num_gpus
    simulated = first.simulated is not None and second.simulated is not None
    speeds = [_per_gpu(item, simulated=simulated) for item in (first, second)]
    gain = speeds[1] / max(speeds[0], 1e-12)
    more = f"{gpus(abs(extra))} {'more' if extra > 0 else 'fewer'}" if extra else "the same number of GPUs"
    be = "is" if tied == 1 else "are"
    others = (
        f"; {tied} of {len(rec.candidates)} candidates {be} within the noise of the first" if tied else ""
    )
    return (
        f"The runner-up, {_name(second, rec)}, uses {more} and gives "
        f"{gain - 1.0:+.0%} output tokens/s per GPU{' as simulated' if simulated else ''}"
        f"{_surety(second, first)}{others}."
    )


def _per_gpu(item: Candidate, *, simulated: bool) -> float:
    if simulated and item.simulated is not None:
        return item.simulated.output_tokens_per_s / item.deployment.num_gpus
    return item.estimate.output_tokens_per_s_per_gpu


def _surety(second: Candidate, first: Candidate) -> str:
    """How likely the runner-up holds the SLA beside the first, and whether anything like it was measured."""
    chances = second.sla_probability, first.sla_probability
    held = f", P(SLA) {chances[0]:.0%} against {chances[1]:.0%}" if None not in chances else ""
    return held if second.estimate.in_domain else f"{held}, and is an extrapolation"


def _trade_off(item: TradeOff, rec: Recommendation) -> str:
    best, other = rec.selected, item.candidate
    change = _change(item, rec.request.slo)
    if other is None:
        return f"{change}: no deployment would run"
    chance = other.estimate.sla_probability
    held = "" if chance is None else f", P(SLA) {chance:.0%}"
    missed = "" if other.meets_sla else " (misses the SLA)"
    if other.deployment == best.deployment and abs(_more_tokens(other, best)) < 5e-3:
        return f"{change}: the same choice{held}{missed}"
    latency = f"TTFT {_ms(other.estimate.ttft.mean_s)}, ITL {_ms(other.estimate.itl.mean_s)}"
    if other.estimate.overloaded:
        latency, held, missed = "still overloaded", "", ""
    return f"{change}: {_name(other, rec)} ({_gain(other, best)}, {latency}{held}){missed}"


def _more_tokens(other: Candidate, best: Candidate) -> float:
    return other.estimate.output_tokens_per_s / max(best.estimate.output_tokens_per_s, 1e-12) - 1.0


def _change(item: TradeOff, slo: Slo) -> str:
    """`ITL +10%, 33.0 ms` for a bound with more room, the rest as it is."""
    name = item.loosened
    return item.change if name is None else f"{_label(name)} +10%, {_ms(1.1 * slo.bounds[name])}"


def finalist_lines(rec: Recommendation) -> tuple[str, ...]:
    """How many were simulated and what came of it; nothing where none was asked for."""
    found = rec.finalists
    if found is None:
        return ()
    done = [item.simulated for item in rec.candidates if item.simulated]
    if not done:
        why = f" ({found.stopped})" if found.stopped else ""
        return (f"None of the {found.asked} finalists was simulated{why}: figures are of the closed form.",)
    counts = sorted({item.requests for item in done})
    requests = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    head = f"{found.simulated} of {found.asked} finalists simulated, {requests} requests each"
    stop = f"; stopped by the {found.stopped}" if found.stopped == "time budget" else ""
    stop = "; interrupted" if found.stopped == "interrupted" else stop
    return (f"{head}{stop}. {found.moved or 'The first candidate stays first.'}", *_doubt(rec), *found.failed)


def _doubt(rec: Recommendation) -> tuple[str, ...]:
    ranks = [
        rank
        for rank, item in enumerate(rec.candidates, start=1)
        if item.simulated and item.simulated.doubtful
    ]
    if not ranks:
        return ()
    named = ", ".join(map(str, ranks))
    return (
        f"At this load the order of events decides, so the closed form is doubtful for rank {named}: use the "
        "simulated figures.",
    )


def moved_words(before: Candidate, after: Candidate, slo: Slo, preference: Preference) -> str:
    """Why the first before the simulation is no longer first; empty where it is."""
    if before.deployment == after.deployment:
        return ""
    names = [f"{item.deployment.backend} {layout(item.deployment)}" for item in (after, before)]
    return f"{names[0]} replaces {names[1]} as the first: {_reason(before, after, slo, preference)}."


def _reason(before: Candidate, after: Candidate, slo: Slo, preference: Preference) -> str:
    found = before.simulated
    if found is None:
        return "the former first was not simulated"
    if not found.meets_sla:
        figures = {name: found.bounded_s(name, slo.statistic_of(name)) for name in slo.bounds}
        ratios = {name: figures[name] / bound for name, bound in slo.bounds.items()}
        name = max(ratios, key=lambda key: ratios[key])
        pair = f"{milliseconds(figures[name])} against {milliseconds(slo.bounds[name])}"
        return f"in the simulation the former first misses {bound_label(name)}, {pair}"
    if after.deployment.num_gpus != before.deployment.num_gpus and preference.objective == "fewest_gpus":
        enough = after.deployment.num_gpus
        return f"in the simulation {gpus(enough)} {'is' if enough == 1 else 'are'} enough"
    chances = [item.sla_probability or 0.0 for item in (before, after)]
    if chances[0] < SURE_SHARE * chances[1]:
        return (
            f"simulated, the former first meets the SLA with probability {chances[0]:.0%}, the new one "
            f"with {chances[1]:.0%}"
        )
    gains = {"latency": "its latency is lower", "goodput": "more of its requests meet every bound"}
    return f"in the simulation {gains.get(preference.objective, 'it gives more output')}"
