"""The objects of a file as we send them: a DGD or DGDR, the ConfigMaps, claims and Jobs that belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.cluster.kinds import DEPLOYMENT_LABEL, DYNAMO, KINDS, OURS, named
from simkit.core.errors import InputError
from simkit.io.yamlio import load_documents

Document = dict[str, Any]

# What a DGD reads must be there before it; a download Job fills a claim.
_ORDER = ("PersistentVolumeClaim", "ConfigMap", "Job", *DYNAMO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Objects in the order in which they are created, all in one namespace, under our labels."""

    source: str
    namespace: str
    documents: tuple[Document, ...]

    @property
    def main(self) -> Document:
        """The DGD or DGDR."""
        return self.documents[-1]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.main["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return named(self.main)


def load_bundle(path: Path, namespace: str | None, otherwise: str) -> Bundle:
    """The objects of a file, or of the folder that `recommend -o` wrote.

    namespace replaces the document's own; `otherwise` is where it goes if neither says.
    Raises InputError for kinds we do not create, and unless there is exactly one DGD or DGDR.
    """
    file = path / "dgd.yaml" if path.is_dir() else path
    documents = load_documents(file)
    return bundle_of(documents, str(file), namespace, otherwise)


def bundle_of(documents: list[Any], source: str, namespace: str | None, otherwise: str) -> Bundle:
    """As load_bundle, from documents."""
    for one in documents:
        if not isinstance(one, Mapping) or one.get("kind") not in _ORDER:
            kind = one.get("kind") if isinstance(one, Mapping) else type(one).__name__
            raise InputError(
                f"{source}: holds a {kind}; deploy creates {', '.join(_ORDER)}: apply the rest with kubectl"
            )
    main = [one for one in documents if one["kind"] in DYNAMO]
    if len(main) != 1:
        raise InputError(f"{source}: expected one DGD or DGDR, found {len(main)}; keep one per file")
    inner = (main[0].get("metadata") or {}).get("namespace")
    place = namespace or inner or otherwise
    name = named(main[0])
    ordered = sorted(documents, key=lambda one: _ORDER.index(one["kind"]))
    sent = tuple(_as_ours(one, place, name) for one in ordered)
    return Bundle(source=source, namespace=place, documents=sent)


def _as_ours(document: Mapping[str, Any], namespace: str, deployment: str) -> Document:
    """The object with our labels, in the namespace; status and what a server adds are left out."""
    metadata = {**(document.get("metadata") or {})}
    for key in ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink"):
        metadata.pop(key, None)
    labels = {**(metadata.get("labels") or {}), **OURS, DEPLOYMENT_LABEL: deployment[:63].rstrip("-.")}
    version = KINDS[str(document["kind"])].base.removeprefix("/apis/").removeprefix("/api/")
    head = {"apiVersion": document.get("apiVersion") or version, "kind": document["kind"]}
    rest = {key: value for key, value in document.items() if key not in (*head, "metadata", "status")}
    return {**head, "metadata": {**metadata, "namespace": namespace, "labels": labels}, **rest}
