"""The draft of a deployment that simkit wrote: flags say all but the acceptance, which an annotation has."""

from collections.abc import Sequence
from dataclasses import replace

from simkit.adapters.draft_flags import draft_flags
from simkit.adapters.dynamo_site import DRAFT_ANNOTATION
from simkit.core.draft import Draft, draft_refusal, parse_draft
from simkit.core.errors import InputError
from simkit.io.dgd_workers import Worker

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
