"""The volume claim for the weights and the Job that fills it once."""

import math
import re
from typing import Any

from simkit.core.errors import InputError
from simkit.core.request import ModelCache
from simkit.formats.dgd.site import HF_SECRET, Site
from simkit.formats.unfilled import PLACEHOLDER

Document = dict[str, Any]

_GIB = 2**30
_MARGIN = 1.2  # tokenizers, several formats of the same weights
_LEAST_GIB = 10
_UNKNOWN_GIB = 100
_CACHE = "model-cache"
_USER = 1000  # the runtime images' user
_SNAPSHOT = re.compile(r"(?:^|.*/)models--[^/]+/snapshots/(?P<revision>[^/]+)/?$")
# Settings come by environment, so nothing in a model's name reaches a shell.
_SCRIPT = (
    "import os; from huggingface_hub import snapshot_download; "
    "print(snapshot_download(os.environ['MODEL_NAME'], revision=os.environ.get('MODEL_REVISION'), "
    "local_dir=os.environ.get('MODEL_DIR')))"
)


def cache_documents(site: Site, metadata: Document, name: str) -> list[Document]:
    """The claim and the Job, empty unless asked for; name is the deployment's."""
    cache = site.cache
    if cache is None or not site.request.deploy.cluster.model_cache_job:
        return []
    return [_claim(site, metadata, cache), _job(site, {**metadata, "name": f"{name}-model-download"}, cache)]


def _claim(site: Site, metadata: Document, cache: ModelCache) -> Document:
    storage = site.request.deploy.cluster.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**metadata, "name": cache.pvc_name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            **({"storageClassName": storage} if storage else {}),
            "resources": {"requests": {"storage": f"{_size_gib(site)}Gi"}},
        },
    }


def _size_gib(site: Site) -> int:
    """Room for the checkpoint, in tens."""
    size = site.request.deploy.cluster.model_bytes
    wanted = _UNKNOWN_GIB if size is None else max(_LEAST_GIB, _MARGIN * size / _GIB)
    return math.ceil(wanted / 10) * 10


def _job(site: Site, metadata: Document, cache: ModelCache) -> Document:
    deploy = site.request.deploy
    pod = {
        "restartPolicy": "OnFailure",
        "securityContext": {"runAsUser": _USER, "fsGroup": _USER},
        **({"imagePullSecrets": site.pull_secrets()} if site.pull_secrets() else {}),
        **({"tolerations": [dict(item) for item in deploy.tolerations]} if deploy.tolerations else {}),
        "containers": [
            {
                "name": "download",
                "image": site.runtime_image,
                "command": ["python3", "-c", _SCRIPT],
                "env": [{"name": key, "value": value} for key, value in _target(site, cache).items()],
                "envFrom": [{"secretRef": {"name": HF_SECRET}}],
                "volumeMounts": [{"name": _CACHE, "mountPath": cache.pvc_mount_path}],
            }
        ],
        "volumes": [{"name": _CACHE, "persistentVolumeClaim": {"claimName": cache.pvc_name}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"backoffLimit": 3, "template": {"spec": pod}},
    }


def _target(site: Site, cache: ModelCache) -> dict[str, str]:
    """Where the download goes, so that it lands where engines look for it.

    A path of the Hub's own cache layout names the revision; any other path is a plain folder.
    """
    found = {"MODEL_NAME": site.model, "HF_HOME": cache.pvc_mount_path}
    if cache.pvc_model_path is None:
        return found
    if PLACEHOLDER.search(cache.pvc_model_path):
        raise InputError(
            f"spec.modelCache.pvcModelPath {cache.pvc_model_path!r} holds a placeholder, so the download Job "
            "cannot know the revision; write the snapshot's real hash, or leave the path out"
        )
    match = _SNAPSHOT.match(site.model_path)
    if match is None:
        return {**found, "MODEL_DIR": site.model_path}
    home = site.model_path.split("/models--")[0].removesuffix("/hub")
    return {**found, "HF_HOME": home, "MODEL_REVISION": match["revision"]}
