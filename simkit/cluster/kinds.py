"""The kinds of objects we write, where the API server keeps them, and the labels that say they are ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simkit.core.errors import InputError

DGD, DGDR = "DynamoGraphDeployment", "DynamoGraphDeploymentRequest"
OURS = MappingProxyType({"app.kubernetes.io/managed-by": "simkit"})
DEPLOYMENT_LABEL = "simkit.io/deployment"  # which deployment ConfigMaps, claims and Jobs belong to
# Written by Dynamo's operator on pods and on the DGD.
POD_OF_DGD = "nvidia.com/dynamo-graph-deployment-name"
WORKER_HASH = "nvidia.com/dynamo-worker-hash"
CURRENT_HASHES = ("nvidia.com/current-worker-hash-v2", "nvidia.com/current-worker-hash")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: its group and version as a path, its plural, and how kubectl calls it."""

    base: str
    plural: str
    short: str

    @property
    def group(self) -> str:
        """The API group, empty for the core's."""
        return self.base.split("/")[2] if self.base.startswith("/apis/") else ""


KINDS: Mapping[str, Kind] = MappingProxyType({
    DGD: Kind("/apis/nvidia.com/v1beta1", "dynamographdeployments", "dgd"),
    DGDR: Kind("/apis/nvidia.com/v1beta1", "dynamographdeploymentrequests", "dgdr"),
    "ConfigMap": Kind("/api/v1", "configmaps", "configmap"),
    "PersistentVolumeClaim": Kind("/api/v1", "persistentvolumeclaims", "pvc"),
    "Job": Kind("/apis/batch/v1", "jobs", "job"),
    "Pod": Kind("/api/v1", "pods", "pod"),
    "Secret": Kind("/api/v1", "secrets", "secret"),
    "Event": Kind("/api/v1", "events", "event"),
    "ResourceQuota": Kind("/api/v1", "resourcequotas", "resourcequota"),
})  # fmt: skip
DYNAMO = (DGD, DGDR)


def path_of(kind: str, namespace: str, name: str | None = None, *, version: str | None = None) -> str:
    """Where objects of a kind are, or the one of that name; version is the document's own, if another."""
    known = KINDS[kind]
    base = f"/apis/{version}" if version and "/" in version else known.base
    path = f"{base}/namespaces/{namespace}/{known.plural}"
    return f"{path}/{name}" if name else path


def named(document: Mapping[str, Any]) -> str:
    """The name of an object. Raises InputError where it has none."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise InputError("metadata.name: required but missing; give the object a name")
    return name


def is_ours(document: Mapping[str, Any]) -> bool:
    """Whether the object carries our label."""
    labels = (document.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in OURS.items())


def object_words(kind: str, name: str, namespace: str) -> str:
    """How messages name an object: `dgd/llama in team-a`."""
    return f"{KINDS[kind].short}/{name} in {namespace}"
