"""What is said where no SLA was asked for: nothing is judged, and Dynamo's defaults stand beside."""

from collections.abc import Mapping

from simkit.core.estimate import Candidate
from simkit.core.slo import Slo
from simkit.core.words import bound_label, milliseconds

UNJUDGED = "No SLA was asked for, so nothing is judged"


def beside_defaults(found_s: Mapping[str, float], defaults: Slo) -> str:
    """Latencies (by ttft_s, itl_s) beside the bounds that Dynamo's profiler would take; empty without any."""
    if not defaults.assumed:
        return ""
    words = [
        f"{bound_label(name)} {milliseconds(found_s[name])} is {_place(found_s[name], bound)}"
        for name, bound in defaults.bounds.items()
        if name in found_s  # no ITL where every request has one token
    ]
    return f"{UNJUDGED}; beside the defaults of Dynamo's profiler, {' and '.join(words)}"


def candidate_beside_defaults(item: Candidate, defaults: Slo) -> str:
    """The same for a candidate, as simulated where it was."""
    found = {name: item.bounded_s(name, defaults.statistic_of(name)) for name in defaults.bounds}
    return beside_defaults(found, defaults)


def _place(value_s: float, bound_s: float) -> str:
    return f"{'within' if value_s <= bound_s else 'above'} {milliseconds(bound_s)}"
