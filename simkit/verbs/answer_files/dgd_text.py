"""A deployment's documents as the text of a file, headed by what it was made for and what it still needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.formats.unfilled import HEADING, how_to_fill, unfilled
from simkit.io.yamlio import dump_yaml
from simkit.reports.labels import interval, number, one_line, percent, pick_label
from simkit.reports.question import question

Doc = Mapping[str, Any]

_MADE_FOR = ("Lengths", "Load")
_SECRETS, _CLAIMS = ("secretRef", "secretKeyRef"), ("persistentVolumeClaim",)


def dgd_text(documents: Sequence[Doc], request: Doc, candidate: Doc, name: str = "dgd.yaml") -> str:
    """YAML of the documents, under comments; request and candidate as recommendation.json has them.

    name is the file's own, for the commands that the comments tell.
    """
    found = [*_purpose(request, candidate), *_open_ends(documents, name)]
    heading = "".join(f"# {one_line(line)}\n" for line in found)
    return heading + dump_yaml([dict(one) for one in documents] if len(documents) > 1 else documents[0])


def _purpose(request: Doc, candidate: Doc) -> list[str]:
    asked = question(request)
    lengths_and_load = "; ".join(text for label, text in asked if label in _MADE_FOR)
    bounds = next(f"{label}: {text}" for label, text in asked if label.startswith("SLA"))
    return [
        f"{request['model']}: {pick_label(candidate, request['hardware']['gpu'])}",
        f"Made for {lengths_and_load}. {bounds}.",
        _predicted(candidate),
    ]


def _predicted(candidate: Doc) -> str:
    seen, how = (
        candidate.get("simulated") or candidate,
        "Simulated" if "simulated" in candidate else "Predicted",
    )
    if seen["ttft_ms"]["mean"] is None:
        return f"{how}: requests queue without end under this load."
    chance = seen["sla_probability"]
    figures = [
        f"{label} {number(seen[key]['mean'])} ms {interval(seen[key]) if seen[key].get('lo') else ''}".strip()
        for label, key in (("TTFT", "ttft_ms"), ("ITL", "itl_ms"))
    ]
    figures += [f"P(SLA) {percent(chance)}"] if chance is not None else []
    figures += [] if candidate["in_domain"] else ["an extrapolation"]
    return f"{how}, not measured: {', '.join(figures)}."


def _open_ends(documents: Sequence[Doc], name: str) -> list[str]:
    """What to fill in, and what the namespace must hold."""
    told = []
    if names := unfilled(documents):
        told.append(f"{HEADING}: {', '.join(names)}; {how_to_fill(names, name)}")
    made = {(one.get("kind"), one["metadata"].get("name")) for one in documents}
    needs = [
        f"{kind} {item}"
        for kind, keys, field in (
            ("Secret", _SECRETS, "name"),
            ("PersistentVolumeClaim", _CLAIMS, "claimName"),
        )
        for item in dict.fromkeys(_named(documents, keys, field))
        if (kind, item) not in made
    ]
    if needs:
        told.append(f"Must be in the namespace: {', '.join(needs)}; simkit check {name} asks the cluster.")
    return told


def _named(value: Any, keys: Sequence[str], field: str) -> list[str]:
    """The names under any of the keys, wherever they are; what is optional is left out."""
    if isinstance(value, Mapping):
        own = [
            str(item[field])
            for key, item in value.items()
            if key in keys and isinstance(item, Mapping) and item.get(field) and not item.get("optional")
        ]
        return own + [name for item in value.values() for name in _named(item, keys, field)]
    if isinstance(value, list | tuple):
        return [name for item in value for name in _named(item, keys, field)]
    return []
