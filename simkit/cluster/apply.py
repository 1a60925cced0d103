"""Create or change the objects of a file by server-side apply; nothing that is not ours is touched."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simkit.cluster.api import FIELD_MANAGER, Api, Document
from simkit.cluster.documents import Bundle
from simkit.cluster.failures import ConflictError, NotFoundError, RefusedError
from simkit.cluster.kinds import DGDR, KINDS, is_ours, named, object_words, path_of
from simkit.cluster.standing import EDITABLE
from simkit.core.errors import ExternalError, InputError
from simkit.io.yamlio import dump_yaml

_SERVERS = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One object after it was applied. before: as it was, None where it was created."""

    kind: str
    before: Document | None
    after: Document

    @property
    def change(self) -> str:
        """What the apply did."""
        if self.before is None:
            return "created"
        return "changed" if _shown(self.before) != _shown(self.after) else "unchanged"

    def diff(self) -> str:
        """What differs, as a unified diff of YAML; empty where nothing does."""
        name = f"{KINDS[self.kind].short}/{named(self.after)}"
        old = dump_yaml(_shown(self.before)).splitlines() if self.before else []
        new = dump_yaml(_shown(self.after)).splitlines()
        return "\n".join(difflib.unified_diff(old, new, f"{name} (cluster)", f"{name} (file)", lineterm=""))


def apply_all(api: Api, bundle: Bundle, *, dry_run: bool = False, force: bool = False) -> Iterator[Applied]:
    """Every object in order. force takes fields and objects over from whoever has them.

    Raises InputError for objects that are not ours, for fields that others own, and for a DGDR that may no
    longer be changed; RefusedError where the server refuses.
    """
    before = [_found(api, one, bundle.namespace, force=force) for one in bundle.documents]
    for document, old in zip(bundle.documents, before, strict=True):
        if document["kind"] == DGDR and old is not None:
            _refuse_frozen(api, document, old, bundle)
    for document, old in zip(bundle.documents, before, strict=True):
        new = _apply(api, document, bundle.namespace, dry_run=dry_run, force=force)
        yield Applied(kind=document["kind"], before=old, after=new)


def _path(document: Mapping[str, Any], namespace: str) -> str:
    return path_of(document["kind"], namespace, named(document), version=str(document["apiVersion"]))


def _found(api: Api, document: Mapping[str, Any], namespace: str, *, force: bool) -> Document | None:
    """The object as it is now. Raises InputError where somebody else made it."""
    found = api.find(_path(document, namespace))
    if found is not None and not is_ours(found) and not force:
        words = object_words(document["kind"], named(document), namespace)
        raise InputError(
            f"{words}: is there already, and not made by simkit (it lacks its label); give another "
            "metadata.name, or --force to take it over"
        )
    return found


def _apply(api: Api, document: Document, namespace: str, *, dry_run: bool, force: bool) -> Document:
    words = object_words(document["kind"], named(document), namespace)
    try:
        return api.apply(_path(document, namespace), document, dry_run=dry_run, force=force)
    except RefusedError as error:
        raise RefusedError(f"{words}: {error}") from error
    except ConflictError as error:
        raise _owned(words, error) from error
    except NotFoundError as error:
        if _lacks_namespace(api, namespace):
            remedy = f"kubectl create namespace {namespace}"
            raise InputError(f"{words}: namespace {namespace} does not exist; {remedy}") from error
        remedy = "Dynamo's CRDs are missing: simkit check says what to install"
        raise ExternalError(f"{words}: the cluster does not know {document['kind']}; {remedy}") from error


def _lacks_namespace(api: Api, namespace: str) -> bool:
    return api.find(f"/api/v1/namespaces/{namespace}") is None


def _owned(words: str, error: ConflictError) -> Exception:
    """A conflict in words: who owns which fields."""
    if not error.owners:
        return error
    told = ", ".join(f"{owner} owns {path}" for path, owner in error.owners.items())
    return InputError(
        f"{words}: {told}; leave these fields out, "
        "or --force takes them over (a Planner or autoscaler would set them again)"
    )


def _refuse_frozen(api: Api, document: Document, old: Document, bundle: Bundle) -> None:
    """Dynamo forbids changing a request once it is profiled."""
    phase = (old.get("status") or {}).get("phase") or ""
    if phase in EDITABLE:
        return
    new = _apply(api, document, bundle.namespace, dry_run=True, force=True)
    if _fixed(new, phase) == _fixed(old, phase):
        return
    name, place = named(document), bundle.namespace
    raise InputError(
        f"{object_words(DGDR, name, place)}: its spec cannot be changed in phase {phase}; delete and create "
        f"it again: simkit delete {name} --kind dgdr --namespace {place}, "
        f"then simkit deploy {bundle.source} --namespace {place}"
    )


def _fixed(document: Mapping[str, Any], phase: str) -> Document:
    """The part of a request's spec that its phase fixes: in Ready, autoApply may still be switched on."""
    free = ("autoApply",) if phase == "Ready" and document["spec"].get("autoApply") else ()
    fixed = {key: value for key, value in document["spec"].items() if key not in free}
    return {**fixed, "autoApply": False} if free else fixed


def _shown(document: Mapping[str, Any]) -> Document:
    """An object without what the server keeps for itself and without its status."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in _SERVERS}
    rest = {key: value for key, value in document.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def restore(api: Api, applied: Applied, namespace: str) -> str:
    """Undo: what was there before is applied again, what was created is deleted, but no claim. Says which."""
    name = named(applied.after)
    words = object_words(applied.kind, name, namespace)
    path = _path(applied.after, namespace)
    if applied.before is None and applied.kind == "PersistentVolumeClaim":
        return f"{words}: kept, as it may hold weights by now; simkit delete --with-storage removes it"
    if applied.before is None:
        try:
            api.delete(path, uid=applied.after["metadata"]["uid"])
        except (NotFoundError, ConflictError):
            return f"{words}: has gone already"
        return f"{words}: deleted again, as it was not there before"
    api.apply(path, _ours(applied.before), force=True)
    return f"{words}: as it was before"


def _ours(document: Mapping[str, Any]) -> Document:
    """An object as it was, without the metadata that others, such as the operator, keep on it."""
    shown = _shown(document)
    metadata = {
        key: shown["metadata"][key] for key in ("name", "namespace", "labels") if key in shown["metadata"]
    }
    notes = shown["metadata"].get("annotations") or {}
    own = {key: value for key, value in notes.items() if key in _own_annotations(document)}
    return {**shown, "metadata": {**metadata, **({"annotations": own} if own else {})}}


def _own_annotations(document: Mapping[str, Any]) -> set[str]:
    """Annotations that our field manager set; all where it had set nothing yet."""
    notes = set(document["metadata"].get("annotations") or {})
    managers = document["metadata"].get("managedFields") or ()
    applied = [
        one for one in managers if (one.get("manager"), one.get("operation")) == (FIELD_MANAGER, "Apply")
    ]
    ours = [one.get("fieldsV1") or {} for one in applied]
    if not ours:
        return notes
    set_by_us = ((one.get("f:metadata") or {}).get("f:annotations") or {} for one in ours)
    return notes & {key.removeprefix("f:") for fields in set_by_us for key in fields}
