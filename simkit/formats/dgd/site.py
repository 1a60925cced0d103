"""What every component is rendered from: images, model path, volumes, secrets, start-up probes."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simkit.core.deployment import Deployment, Disaggregated, Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.core.request import ModelCache, Request
from simkit.engines.registry import engine_spec
from simkit.engines.releases import Release, release_of
from simkit.formats.dgd.network import Fabric, fabric_of

Document = dict[str, Any]

REGISTRY = "nvcr.io/nvidia/ai-dynamo"
DYNAMO_VERSION = "1.6.1"
HF_SECRET = "hf-token-secret"  # noqa: S105  # the name of a secret, never its value
CACHE_VOLUME = "model-cache"
PRECISION_ANNOTATION = "simkit.io/precision"
EXPERTS_ANNOTATION = "simkit.io/routed-experts"
DRAFT_ANNOTATION = "simkit.io/speculative"
_PLAIN_TAG = re.compile(r":v?\d+\.\d+\.\d+$")
PROFILE_MOUNT = "/workspace/profiling_results"  # where Planner and mocker look for profiling data


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One deployment, the request behind it and the cluster it goes to.

    profile holds profiling data by file name, for a Planner or mocker; empty where there is none.
    rank_kv_tokens is what the cache of one attention rank holds, by role, for a mocker; empty: unknown.
    """

    deployment: Deployment
    request: Request
    model: str
    gpus_per_node: int
    total_gpus: int | None = None
    profile: Mapping[str, bytes] = field(default_factory=dict)
    rank_kv_tokens: Mapping[Role, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.gpus_per_node < 1:
            raise InputError(f"gpus_per_node must be at least 1, got {self.gpus_per_node}")
        backends = {pool.engine.backend for _, pool in self.pools()}
        if len(backends) > 1:
            raise InputError(
                f"prefill and decode run different engines ({', '.join(sorted(backends))}), which cannot "
                "hand KV cache to each other; use one backend"
            )

    def pools(self) -> Iterator[tuple[Role, Pool]]:
        """Each pool with its role, in the order in which components are written."""
        deployment = self.deployment
        if isinstance(deployment, Disaggregated):
            yield "prefill", deployment.prefill
            yield "decode", deployment.decode
        else:
            yield "aggregated", deployment.worker

    @property
    def planner_mode(self) -> str:
        """What a Planner scales: the deployment's pools, or the one pool that the request names."""
        given = (self.request.deploy.planner or {}).get("mode")
        one_pool = self.deployment.mode == "disagg" and given in ("prefill", "decode")
        return str(given) if one_pool else self.deployment.mode

    def is_scaled(self, role: Role) -> bool:
        """Whether a Planner sets the number of this role's engines."""
        planner = self.request.deploy.planner
        if planner is None or planner.get("advisory") is True:
            return False
        return self.planner_mode in (self.deployment.mode, role)

    @property
    def profile_name(self) -> str:
        """The name of the ConfigMap with profiling data, after its content."""
        digest = hashlib.sha256()
        for name, content in sorted(self.profile.items()):
            digest.update(name.encode() + content)
        return f"planner-profile-data-{digest.hexdigest()[:8]}"

    def profile_mounts(self) -> list[Document]:
        """Profiling data in a container that reads it."""
        mount = {"name": self.profile_name, "mountPath": PROFILE_MOUNT, "readOnly": True}
        return [mount] if self.profile else []

    def profile_volumes(self) -> list[Document]:
        """Profiling data in a pod."""
        name = self.profile_name
        return [{"name": name, "configMap": {"name": name}}] if self.profile else []

    @property
    def cache(self) -> ModelCache | None:
        """The volume that holds the weights; one of the usual name where a Job is asked to fill it."""
        deploy = self.request.deploy
        if deploy.model_cache is None and deploy.cluster.model_cache_job:
            return ModelCache(pvc_name=CACHE_VOLUME)
        return deploy.model_cache

    @property
    def release(self) -> Release:
        """Which release of Dynamo the image or its override names."""
        deploy = self.request.deploy
        return release_of(deploy.runtime_version_override, deploy.image)

    @property
    def metrics_flags(self) -> tuple[str, ...]:
        """What workers need on their command line to tell a Planner of their steps."""
        if self.request.deploy.planner is None:
            return ()
        return engine_spec(self.deployment.backend).releases.metrics_flags.get(self.release.name, ())

    def fabric(self, nodes: int) -> Fabric | None:
        """The RDMA network a worker needs: to hand over KV cache, or to span nodes."""
        if self.request.deploy.mocker or (self.deployment.mode == "agg" and nodes == 1):
            return None
        return fabric_of(self.request.hardware, self.request.deploy.cluster.rdma_resource)

    @property
    def spans_nodes(self) -> bool:
        """Whether there is more than one node to place pods on."""
        return max(self.total_gpus or 0, self.deployment.num_gpus) > self.gpus_per_node

    def pull_secrets(self) -> list[Document]:
        """Secrets for the registry: those asked for, and the profiling job's, which pulls from the same."""
        deploy = self.request.deploy
        names = [*deploy.cluster.pull_secrets, *_job_pull_secrets(deploy.profiling_job)]
        return [{"name": name} for name in dict.fromkeys(names)]

    @property
    def runtime_image(self) -> str:
        """The engine's image, or the Planner's, which holds the mocker."""
        if self.request.deploy.mocker:
            return self.image("dynamo-planner")
        return self.image(engine_spec(self.deployment.backend).worker.image)

    def engine_image(self, fabric: Fabric | None) -> str:
        """The engine's image with the libraries of the fabric, where its tag is a plain release."""
        image = self.runtime_image
        return f"{image}{fabric.image_suffix}" if fabric and _PLAIN_TAG.search(image) else image

    def image(self, name: str) -> str:
        """The image called `name` from the registry and with the tag of the request's image."""
        given = self.request.deploy.image
        if given is None:
            return f"{REGISTRY}/{name}:{self.request.deploy.runtime_version_override or DYNAMO_VERSION}"
        path, _, tag = _split_image(given)
        tag = tag or self.request.deploy.runtime_version_override or ""
        if not tag:
            raise InputError(
                f"spec.image {given!r} has no tag to take over for {name}; add one such as "
                f":{DYNAMO_VERSION} or give spec.runtimeVersionOverride"
            )
        prefix = path.rpartition("/")[0]
        return f"{prefix}/{name}:{tag}" if prefix else f"{name}:{tag}"

    @property
    def model_path(self) -> str:
        """Where engines find the weights: below the volume's mount, else by the model's name."""
        if self.cache is None or self.cache.pvc_model_path is None:
            return self.model
        mount, path = self.cache.pvc_mount_path.rstrip("/"), self.cache.pvc_model_path
        if path.startswith("/"):
            if path.rstrip("/") != mount and not path.startswith(f"{mount}/"):
                raise InputError(
                    f"spec.modelCache.pvcModelPath {path!r} is absolute but not under the mount {mount!r}; "
                    "give it relative to the volume's root"
                )
            return path.rstrip("/")
        return f"{mount}/{path.strip('/')}"

    def env(self) -> list[Document]:
        """Environment of frontend and workers: where the Hugging Face cache is, when it is the volume."""
        if self.cache is None or self.cache.pvc_model_path is not None:
            return []
        return [{"name": "HF_HOME", "value": self.cache.pvc_mount_path}]

    def volume_mounts(self) -> list[Document]:
        """The model volume in a container, never written to."""
        if self.cache is None:
            return []
        return [{"name": CACHE_VOLUME, "mountPath": self.cache.pvc_mount_path, "readOnly": True}]

    def volumes(self) -> list[Document]:
        """The model volume in a pod."""
        if self.cache is None:
            return []
        claim = {"claimName": self.cache.pvc_name, "readOnly": True}
        return [{"name": CACHE_VOLUME, "persistentVolumeClaim": claim}]


def _job_pull_secrets(job: Any) -> list[str]:
    block: Any = job
    for key in ("template", "spec", "imagePullSecrets"):
        block = block.get(key) if isinstance(block, Mapping) else None
    items = block if isinstance(block, list) else []
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    return [name for name in names if isinstance(name, str) and name]


def _split_image(image: str) -> tuple[str, str, str]:
    """Path, digest and tag of an image reference; a colon before the last slash is a port."""
    path, _, digest = image.partition("@")
    head, separator, last = path.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{separator}{name}", digest, tag


# --- What decides how long a worker takes to start: its probe's patience and its compilation cache.


SYSTEM_PORT = 9090  # the operator sets DYN_SYSTEM_PORT to it
_PERIOD_S = 10
_PATIENCE_S = 7200  # the operator's own
_COMPILE_S = 1800  # graph capture, autotuning
_DOWNLOAD_BYTES_PER_S = 50e6  # a slow but real rate from the Hub for a pod of many
_READ_BYTES_PER_S = 200e6  # a shared file system

_CACHE_MOUNT = "/home/dynamo/.cache/compilation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilationCache:
    """The component's block and the environment that makes the engine use it."""

    block: Document = field(default_factory=dict)
    env: tuple[Document, ...] = ()


def startup_probe(site: Site) -> Document:
    """The operator's probe, with patience for models that load for longer than its two hours.

    Liveness and readiness stay the operator's, which also takes probes away from an engine's
    further nodes.
    """
    rate = _DOWNLOAD_BYTES_PER_S if site.cache is None else _READ_BYTES_PER_S
    loading_s = (site.request.deploy.cluster.model_bytes or 0.0) / rate
    patience_s = max(_PATIENCE_S, loading_s + _COMPILE_S)
    return {
        "httpGet": {"path": "/live", "port": SYSTEM_PORT},
        "periodSeconds": _PERIOD_S,
        "timeoutSeconds": 5,
        "failureThreshold": math.ceil(patience_s / _PERIOD_S),
    }


def compilation_cache(site: Site, backend: str) -> CompilationCache:
    """A claim for compiled kernels, shared by replicas and kept over restarts; empty unless asked for."""
    claim = site.request.deploy.cluster.compilation_cache
    if claim is None:
        return CompilationCache()
    # An engine that names no variable is told by the operator.
    folders = engine_spec(backend).worker.compile_env
    env = [{"name": name, "value": f"{_CACHE_MOUNT}/{folder}"} for name, folder in folders.items()]
    return CompilationCache(
        block={"compilationCache": {"pvcName": claim, "mountPath": _CACHE_MOUNT}}, env=tuple(env)
    )
