"""What simulating the best candidates changed, in words."""

from simkit.core.metrics import Candidate, Recommendation
from simkit.core.picking import SURE_SHARE, Preference
from simkit.core.slo import Slo
from simkit.core.words import bound_label, layout, milliseconds


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
    return (f"{head}{stop}. {found.moved or 'The first stays first.'}", *_doubt(rec), *found.failed)


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
        f"Of rank {named} the closed form is in doubt, as the order of events decides at that load: its "
        "simulated figures are the ones to go by.",
    )


def moved_words(before: Candidate, after: Candidate, slo: Slo, preference: Preference) -> str:
    """Why the first before the simulation is no longer first; empty where it is."""
    if before.deployment == after.deployment:
        return ""
    names = [f"{item.deployment.backend} {layout(item.deployment)}" for item in (after, before)]
    return f"{names[0]} takes the first place from {names[1]}: {_reason(before, after, slo, preference)}."


def _reason(before: Candidate, after: Candidate, slo: Slo, preference: Preference) -> str:
    found = before.simulated
    if found is None:
        return "that one was not simulated"
    if not found.meets_sla:
        ratios = {name: found.bounded_s(name, slo.statistic) / bound for name, bound in slo.bounds.items()}
        name = max(ratios, key=lambda key: ratios[key])
        pair = (
            f"{milliseconds(found.bounded_s(name, slo.statistic))} against {milliseconds(slo.bounds[name])}"
        )
        return f"simulated, that one misses {bound_label(name)} with {pair}"
    if after.deployment.num_gpus != before.deployment.num_gpus and preference.objective == "fewest_gpus":
        return f"simulated, {after.deployment.num_gpus} GPUs are enough"
    chances = [item.sla_probability or 0.0 for item in (before, after)]
    if chances[0] < SURE_SHARE * chances[1]:
        return f"simulated, that one holds the SLA with {chances[0]:.0%} only, against {chances[1]:.0%}"
    gains = {"latency": "its latency is lower", "goodput": "more of its requests keep every bound"}
    return f"simulated, {gains.get(preference.objective, 'it gives more output')}"
