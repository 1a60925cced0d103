"""DynamoGraphDeployments read back as a Deployment: ours, a peer's, hand-edited; v1beta1 and v1alpha1."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from perfmodels.model.dtypes import Precision
from simkit.catalog.models import load_model
from simkit.core.deployment import Aggregated, Deployment, Disaggregated
from simkit.core.draft import Draft, parse_draft
from simkit.core.errors import InputError
from simkit.engines.flag_parser import with_weights
from simkit.engines.flag_writer import draft_flags
from simkit.engines.support import draft_refusal
from simkit.formats.dgd.asked import ASKED_ANNOTATION, read_asked
from simkit.formats.dgd.graphs import asked_graphs, passed_over, worker_components
from simkit.formats.dgd.roles import by_role
from simkit.formats.dgd.site import DRAFT_ANNOTATION, EXPERTS_ANNOTATION, PRECISION_ANNOTATION
from simkit.formats.dgd.workers import Worker, read_worker
from simkit.io.yamlio import load_documents
from simkit.launch.arguments import unfilled
from simkit.launch.origins import SettingPlace, origins

# --- The draft of a deployment that simkit wrote: flags say all but the acceptance, which an annotation has.


_EDITED = (
    f"metadata.annotations.{DRAFT_ANNOTATION} says another draft than the flags do: it is passed over, and "
    "speculative decoding not modelled"
)


def with_draft(workers: Sequence[Worker], text: str | None) -> list[Worker]:
    """The workers with the annotated draft where their flags still say the same; a note where they do not.

    Raises InputError where the annotation says no draft.
    """
    if text is None:
        return list(workers)
    try:
        draft = parse_draft(text)
    except InputError as error:
        raise InputError(f"metadata.annotations.{DRAFT_ANNOTATION}: {error}; correct or remove it") from error
    if not any(worker.pool.engine.speculative for worker in workers):  # flags removed, or mocked engines
        return [replace(worker, notes=(*worker.notes, _EDITED)) for worker in workers]
    return [_drafting(worker, draft) for worker in workers]


def _drafting(worker: Worker, draft: Draft) -> Worker:
    engine, plan = worker.pool.engine, worker.pool.plan
    if not engine.speculative:
        return worker
    if draft_refusal(engine.backend, draft, plan) or not _within(
        draft_flags(engine.backend, draft, plan), worker.args
    ):
        return replace(worker, notes=(*worker.notes, _EDITED))
    known = replace(engine, speculative=False, draft=draft)
    return replace(worker, pool=replace(worker.pool, engine=known))


def _within(flags: Sequence[str], args: Sequence[str]) -> bool:
    """Whether the flags stand in the arguments, one after the other."""
    size = len(flags)
    return any(list(args[start : start + size]) == list(flags) for start in range(len(args) - size + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHint:
    """What a deployment's flags do not say of its model. None: not known."""

    moe: bool | None = None
    precision: Precision | None = None

    @property
    def known(self) -> bool:
        """Whether anything is known of the model."""
        return self.moe is not None or self.precision is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDgd:
    """A deployment read from a document. notes says what was assumed or passed over.

    asked: what it was made for by the names of flags, where simkit wrote that into it.
    """

    deployment: Deployment
    model: str
    name: str
    image: str | None = None
    notes: tuple[str, ...] = ()
    origins: tuple[SettingPlace, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)


HintOf = Callable[[str], ModelHint]


def read_dgd(path: str | Path, *, model: str | None = None) -> ParsedDgd:
    """The deployment in a DGD file, ConfigMaps beside it allowed; models are looked up in the catalogue.

    FILE#NAME is the deployment of that name in the file. model replaces the one that the file names.
    """
    file, name = _place(path)
    found = parse_dgd(
        load_documents(file, placed=True),
        name=name,
        source=str(file),
        hint_of=(lambda name: catalogue_hint(model or name)),
    )
    if model is not None:
        return replace(found, model=model)
    if missing := unfilled(found.model):
        raise InputError(f"{file}: model {found.model[:60]!r}: {missing}; write it out, or give --model")
    return found


def _place(path: str | Path) -> tuple[str | Path, str | None]:
    """The file, and the name behind `#` where no file is called so."""
    file, mark, name = str(path).rpartition("#")
    return (file, name) if mark and not Path(path).exists() and Path(file).is_file() else (path, None)


def catalogue_hint(name: str) -> ModelHint:
    """What the catalogue knows of a model; nothing when it does not hold it."""
    try:
        model = load_model(name)
    except InputError:
        return ModelHint()
    return ModelHint(moe=model.shape.is_moe, precision=model.precision)


def parse_dgd(
    documents: Sequence[Any], *, source: str, hint_of: HintOf | None = None, name: str | None = None
) -> ParsedDgd:
    """The deployment in a list of documents; name says which, where there are several.

    hint_of tells of a model, by its served name, whether it has routed experts and how its weights
    are stored; what simkit wrote into the document counts more.
    """
    try:
        graphs = asked_graphs(documents, name)
        metadata = graphs.metadata
        components = worker_components(graphs, documents)
        first = [read_worker(component, moe=None, around=around) for component, around in components]
        model, named = _model(first, hint_of)
        hint = _hint(metadata, model, hint_of)
        workers = with_draft(
            [read_worker(component, moe=hint.moe, around=around) for component, around in components],
            _annotated(metadata, DRAFT_ANNOTATION),
        )
        deployment = deployment_of(workers, hint.precision or Precision())
        meant = read_asked(_annotated(metadata, ASKED_ANNOTATION) or "")
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    notes = [*passed_over(documents, graphs), *named, *(note for item in workers for note in item.notes)]
    return ParsedDgd(
        deployment=deployment,
        model=model,
        name=str(metadata.get("name") or ""),
        image=workers[0].image,
        notes=tuple(dict.fromkeys(notes)),
        asked=meant,
        origins=tuple(row for item in workers for row in origins(item.name, item.flags, item.pool.engine)),
    )


def _model(workers: Sequence[Worker], hint_of: HintOf | None) -> tuple[str, list[str]]:
    """The model that all workers serve, and how it was found where not by the name given."""
    given = list(dict.fromkeys(worker.model for worker in workers))
    found = [next((n for n in worker.models if hint_of and hint_of(n).known), None) for worker in workers]
    if len(set(found)) > 1 or (found[0] is None and len(given) > 1):
        raise InputError(
            f"components serve different models ({' and '.join(repr(name[:60]) for name in given[:3])}); "
            "estimate them one by one"
        )
    first = workers[0]
    if found[0] is None:
        # A path of another machine is not worth a question; the name for clients may be.
        local = given[0].startswith(("/", "."))
        return (first.models[-1] if local else given[0]), []
    name = found[0]
    if name == first.model:
        return name, []
    return name, [f"model {first.model!r} is not here: taken as {name}, by its name"]


def _hint(metadata: Mapping[str, Any], model: str, hint_of: HintOf | None) -> ModelHint:
    """What simkit wrote into the document first, then the caller's knowledge of the model."""
    notes = _mapping(metadata.get("annotations"))
    hint = hint_of(model) if hint_of else ModelHint()
    if EXPERTS_ANNOTATION in notes:
        hint = replace(hint, moe=str(notes[EXPERTS_ANNOTATION]) == "true")
    if PRECISION_ANNOTATION in notes:
        hint = replace(hint, precision=_annotated_precision(str(notes[PRECISION_ANNOTATION])))
    return hint


def _annotated(metadata: Mapping[str, Any], name: str) -> str | None:
    text = _mapping(metadata.get("annotations")).get(name)
    return None if text is None else str(text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _annotated_precision(text: str) -> Precision:
    try:
        found = Precision(**dict(part.split("=", 1) for part in text.split()))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"metadata.annotations.{PRECISION_ANNOTATION}: expected formats such as 'gemm=fp8 moe=fp8 kv=fp8 "
            f"other=bf16', got {text!r}; correct or remove it"
        ) from error
    # Formats below 16 bits are restated by a flag; without it they were edited away.
    return found if found.kv in ("bf16", "fp16") else replace(found, kv="bf16")


def deployment_of(workers: Sequence[Worker], precision: Precision) -> Deployment:
    """Pools put together by their roles; precision is the checkpoint's, where flags do not say otherwise."""
    pools = by_role(workers)
    precision = _precision(workers, precision)
    if "aggregated" in pools:
        return Aggregated(worker=pools["aggregated"].pool, precision=precision)
    prefill, decode = pools["prefill"], pools["decode"]
    if prefill.backend != decode.backend:
        raise InputError(
            f"prefill runs {prefill.backend} and decode {decode.backend}, which cannot hand KV cache to "
            "each other; use one backend"
        )
    return Disaggregated(prefill=prefill.pool, decode=decode.pool, precision=precision)


def _precision(workers: Sequence[Worker], base: Precision) -> Precision:
    """Flags win over what is known of the model: --kv-cache-dtype and --quantization."""
    formats = {worker.kv_dtype for worker in workers if worker.kv_dtype}
    if len(formats) > 1:
        raise InputError(
            f"prefill and decode store the KV cache as {' and '.join(sorted(formats))}; use one format"
        )
    named = next((worker for worker in workers if worker.weight_dtype), workers[0])
    result = with_weights(base, named.quantization, named.weight_dtype)
    return replace(result, kv=formats.pop()) if formats else result
