"""What `simkit compare` puts side by side: a deployment, a request, a recommendation or a measured run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simkit.core.deployment import Deployment
from simkit.core.errors import InfeasibleError, InputError
from simkit.core.request import Request
from simkit.formats.dgd.read import ParsedDgd, read_dgd
from simkit.formats.measured_candidate import PREDICTION, is_measured, measured_candidate
from simkit.formats.recommendations import MOST_ANSWER, deployment_of, read_recommendation, request_of
from simkit.io.reading import Bounds, read_json
from simkit.io.yamlio import load_documents
from simkit.reports.document import candidate_document, plain, request_document
from simkit.verbs.estimate import estimate_document, estimate_problem
from simkit.verbs.recommend import recommend
from simkit.verbs.shortlist_run import under_own_load

Document = dict[str, Any]

DEPLOYMENT, REQUEST, RECOMMENDATION, MEASURED = "deployment", "request", "recommendation", "measured"
_KINDS = {"DynamoGraphDeployment": DEPLOYMENT, "DynamoGraphDeploymentRequest": REQUEST}
_ARTIFACT = "recommendation.json"
_DRIFT = 0.01  # an artifact's figures further than this from today's are said to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: its candidate document, the question asked, and its operators where known.

    asked is the question as a request under the candidate's own load, None where it cannot be put again.
    """

    name: str
    kind: str
    candidate: Document
    question: Document = field(default_factory=dict)
    operators: tuple[Document, ...] = ()
    notes: tuple[str, ...] = ()
    asked: Request | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How flags become a request: of a DGDR, or around the deployment of a DGD; any: whether there are flags.

    meant gives the request as the DGD was made for it, and in words what it took from there.
    """

    request_of: Callable[[Path], Request]
    meant: Callable[[Path, ParsedDgd], tuple[Request, str]]
    any: bool


def read_sides(one: Path, other: Path, asking: Asking) -> tuple[Side, Side]:
    """Both sides. A DGD that says no load is asked what the other side is asked, where there are no flags.

    Raises InputError.
    """
    first, second = read_many([one, other], asking)
    return first, second


def read_many(given: Sequence[Path], asking: Asking) -> list[Side]:
    """Any number of sides; a DGD that says no load is asked what the first that says one is asked.

    Raises InputError.
    """
    paths = [_within(path) for path in given]
    kinds = [_kind(path) for path in paths]
    found: dict[int, Side] = {}
    for i in sorted(range(len(paths)), key=lambda i: kinds[i] == DEPLOYMENT):  # deployments last
        asked = next((side.asked for _, side in sorted(found.items()) if side.asked), None)
        found[i] = _side(paths[i], kinds[i], asking, asked)
    return [found[i] for i in range(len(paths))]


def _within(path: Path) -> Path:
    """The file; of a folder of benchmark, recommend or export, the one that says what it is about.

    Raises InputError for another folder.
    """
    if is_measured(path):
        return path / PREDICTION
    if not path.is_dir():
        return path
    found = next((path / name for name in (_ARTIFACT, "dgd.yaml") if (path / name).is_file()), None)
    if found is not None:
        return found
    if (path / "experiment.yaml").is_file():
        raise InputError(
            f"{path}: a run of many points; simkit export {path} --select best -o DIR gives the DGD of one, "
            "and simkit experiment gate RUN --baseline OTHER compares two runs"
        )
    raise InputError(f"{path}: holds no {_ARTIFACT}, dgd.yaml or measured run; give such a folder, or a file")


def _kind(path: Path) -> str:
    if path.name == PREDICTION and is_measured(path.parent):
        return MEASURED
    if path.suffix == ".json":
        document = read_json(path, Bounds(most=MOST_ANSWER, remedy=f"give a DGD, DGDR or {_ARTIFACT}"))
        items = [document]
        if isinstance(document, Mapping) and "kind" not in document:
            return RECOMMENDATION
    else:
        items = load_documents(path)
    kinds = {_KINDS.get(str(item.get("kind"))) for item in items if isinstance(item, Mapping)}
    for kind in (DEPLOYMENT, REQUEST):
        if kind in kinds:
            return kind
    raise InputError(
        f"{path}: neither a DynamoGraphDeployment nor a DynamoGraphDeploymentRequest; "
        f"give one of these, or a {_ARTIFACT}"
    )


def _side(path: Path, kind: str, asking: Asking, others: Request | None) -> Side:
    if kind in (RECOMMENDATION, MEASURED):
        side = _recommended(path) if kind == RECOMMENDATION else _measured(path.parent)
        unmoved = f"{path} keeps the figures it was written with: flags change nothing of it"
        return replace(side, notes=(unmoved, *side.notes)) if asking.any else side
    if kind == REQUEST:
        return _answered(path, asking.request_of(path))
    parsed = read_dgd(path)
    if others is None or asking.any or parsed.asked:
        request, taken = asking.meant(path, parsed)
        side = _estimated(path, request, parsed.deployment)
        return replace(side, notes=(taken, *side.notes)) if taken else side
    hardware = replace(others.hardware, total_gpus=None)
    side = _estimated(path, replace(others, model=parsed.model, hardware=hardware), parsed.deployment)
    return replace(side, notes=(f"{path} is asked what the other side is asked", *side.notes))


def _answered(path: Path, request: Request) -> Side:
    answer = recommend(request)
    selected = answer.selected
    asked = under_own_load(answer.request, selected.estimate.concurrency)
    _, operators = _operators(asked, selected.deployment)
    return Side(
        name=str(path),
        kind=REQUEST,
        candidate=candidate_document(selected),
        question=plain(request_document(answer.request)),
        operators=operators,
        asked=asked,
    )


def _estimated(path: Path, request: Request, deployment: Deployment) -> Side:
    problem, result = estimate_problem(request, deployment)
    document = plain(estimate_document(problem.request, result))
    question = plain(request_document(problem.request))
    del question["hardware"]["total_gpus"], question["modes"]  # not asked for: the deployment has them
    return Side(
        name=str(path),
        kind=DEPLOYMENT,
        candidate=document,
        question=question,
        operators=tuple(document["by_operator"]),
        notes=tuple(f"{path}: {note}" for note in document["notes"]),
        asked=problem.request,
    )


def _measured(folder: Path) -> Side:
    """What a benchmark found; it says nothing of operators."""
    candidate = measured_candidate(folder)
    noise = f"{folder} was measured: its intervals are the noise of a mean over its requests"
    notes = (noise, *(f"{folder}: {note}" for note in candidate["notes"]))
    return Side(name=str(folder), kind=MEASURED, candidate=candidate, notes=notes)


def _recommended(path: Path) -> Side:
    """The artifact's figures as they stand; operators by estimating its deployment again."""
    document = read_recommendation(path)
    candidate = document["selected"]
    bare = Side(name=str(path), kind=RECOMMENDATION, candidate=candidate, question=document["request"])
    try:
        asked = under_own_load(request_of(document), candidate.get("concurrency"))
        again, operators = _operators(asked, deployment_of(candidate))
    except (InputError, InfeasibleError) as error:
        return replace(bare, notes=(f"{path} has no times by operator: {error}",))
    before, now = candidate["e2e_ms"]["mean"], again["e2e_ms"]["mean"]
    drift = now / before - 1.0 if before and now else 0.0
    note = f"{path}: its end-to-end latency would be {drift:+.0%} today; operators are of today"
    return replace(bare, operators=operators, asked=asked, notes=(note,) if abs(drift) > _DRIFT else ())


def _operators(asked: Request, deployment: Deployment) -> tuple[Document, tuple[Document, ...]]:
    problem, result = estimate_problem(asked, deployment)
    document = plain(estimate_document(problem.request, result))
    return document, tuple(document["by_operator"])
