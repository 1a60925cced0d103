"""spec.modelCache: a volume claim, where it is mounted, and where on it the weights are.

pvcModelPath may be relative to the volume's root or absolute below the mount. The layout that
`huggingface-cli download` leaves behind is recognised, because half of such a path loads nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from simkit.formats.faults import Fault, lookup, shown, unsafe, wrong_type
from simkit.formats.unfilled import PLACEHOLDER

DEFAULT_MOUNT = "/opt/model-cache"
_MOUNT = "spec.modelCache.pvcMountPath"
_PATH = "spec.modelCache.pvcModelPath"
_REPOSITORY = re.compile(r"(?:^|/)models--([^/]+)(?:/(.*))?$")
_SNAPSHOT = re.compile(r"^snapshots/[^/]+(?:/.*)?$")


def cache_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with the block; absent is fine."""
    block = lookup(document, "spec.modelCache")
    if not isinstance(block, Mapping) or not block:
        return []
    faults = []
    if block.get("pvcName") is None:
        problem = "required when spec.modelCache is given"
        remedy = "name the PersistentVolumeClaim, or remove spec.modelCache"
        faults.append(Fault(path="spec.modelCache.pvcName", problem=problem, remedy=remedy))
    mount, path = block.get("pvcMountPath") or DEFAULT_MOUNT, block.get("pvcModelPath")
    mount_faults = _mount(mount) if isinstance(mount, str) else []
    faults += mount_faults
    if isinstance(path, str):
        known_mount = isinstance(mount, str) and not mount_faults
        faults += _model_path(mount if known_mount else None, path)
    return faults


def _mount(mount: str) -> list[Fault]:
    if not mount.startswith("/"):
        return [wrong_type(_MOUNT, "an absolute path", mount)]
    if ":" in mount or unsafe(mount) or ".." in mount.split("/") or not mount.strip("/"):
        problem = (
            f"{shown(mount)} cannot be a mount: it is the root, or holds '..', ':' or what a shell acts on"
        )
        return [Fault(path=_MOUNT, problem=problem, remedy=f"write a folder such as {DEFAULT_MOUNT}")]
    return []


def _model_path(mount: str | None, path: str) -> list[Fault]:
    """The path by itself, and below the mount where that one is in order."""
    if char := unsafe(path):
        problem = f"{shown(path)} holds {char}, which a shell or Kubernetes would act on"
        return [Fault(path=_PATH, problem=problem, remedy="write a plain path")]
    if ".." in path.split("/"):
        problem, remedy = f"{path!r} leaves the volume by '..'", "give the path from the volume's root"
        return [Fault(path=_PATH, problem=problem, remedy=remedy)]
    root = (mount or "").rstrip("/")
    if mount and path.startswith("/") and path.rstrip("/") != root and not path.startswith(root + "/"):
        problem = f"absolute path {path!r} is not under the mount {mount!r}"
        remedy = "give it relative to the volume's root, or below pvcMountPath"
        return [Fault(path=_PATH, problem=problem, remedy=remedy)]
    return _snapshot(path)


def _snapshot(path: str) -> list[Fault]:
    found = _REPOSITORY.search(path.rstrip("/"))
    if found is None or _SNAPSHOT.match(found[2] or ""):
        return []
    problem = f"{path!r} ends inside a Hugging Face cache, above the files of a revision"
    remedy = f"write hub/models--{found[1]}/snapshots/<commit-hash>"
    return [Fault(path=_PATH, problem=problem, remedy=remedy)]


def single_path(mount: str, path: str | None) -> str | None:
    """The model path, not doubled: one that repeats the mount without its first '/' is read as below it.

    A mount of one folder is left alone, as the volume may hold a folder of the same name.
    """
    root = mount.strip("/")
    if path is None or path.startswith("/") or "/" not in root:
        return path
    return f"/{path}" if f"{path.rstrip('/')}/".startswith(f"{root}/") else path


def cache_warnings(model: str, pvc: str | None, mount: str | None, path: str | None) -> list[str]:
    """What is allowed but will surprise."""
    if pvc is None:
        return []
    if not path:
        return [
            "spec.modelCache has no pvcModelPath: engines load the model by name, with the volume as HF_HOME"
        ]
    found = []
    if placeholder := PLACEHOLDER.search(path):
        found.append(
            f"{_PATH} holds the placeholder {placeholder.group()}; "
            "replace it with the snapshot's real hash before deploying"
        )
    if single_path(mount or DEFAULT_MOUNT, path) != path:
        found.append(
            f"{_PATH} repeats pvcMountPath and was read as /{path}; leave the mount out, or begin with '/'"
        )
    repository = _REPOSITORY.search(path)
    own = model.strip("/").replace("/", "--")
    if repository and "/" in model and repository[1].lower() != own.lower():
        found.append(f"{_PATH} is the cache of models--{repository[1]}, but spec.model is {model!r}")
    return found
