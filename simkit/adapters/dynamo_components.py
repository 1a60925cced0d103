"""Frontend and workers of a DynamoGraphDeployment, as v1beta1 components."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from simkit.adapters.dynamo_alpha import GPU
from simkit.adapters.dynamo_site import HF_SECRET, PROFILE_MOUNT, Document, Site
from simkit.adapters.engine_args import WorkerContext, worker_args
from simkit.adapters.engine_flags import TABLES
from simkit.adapters.planner_files import MOCKER_NPZ
from simkit.core.deployment import Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError

NAMES: Mapping[str, str] = MappingProxyType(
    {"aggregated": "worker", "prefill": "prefill", "decode": "decode"}
)
FRONTEND = "Frontend"
_BENCHMARK_MODES = MappingProxyType({"aggregated": "agg", "prefill": "prefill", "decode": "decode"})
_MOCKED_ENGINES = ("vllm", "sglang")


def frontend(site: Site) -> Document:
    """The HTTP front door, with the router's mode."""
    args = ["-m", "dynamo.frontend"]
    if site.model_path != site.model:
        args += ["--model-name", site.model, "--model-path", site.model_path]
    router = [{"name": "DYN_ROUTER_MODE", "value": "kv"}] if site.request.deploy.kv_router else []
    container = {
        "name": "main",
        "image": site.runtime_image,
        "command": ["python3"],
        "args": args,
        "env": [*router, *site.env()],
        "envFrom": [{"secretRef": {"name": HF_SECRET}}],
        "volumeMounts": site.volume_mounts(),
    }
    return component(site, FRONTEND, "frontend", container, volumes=site.volumes())


def worker(site: Site, role: Role, pool: Pool) -> Document:
    """One pool of engines; a mocker stands in for the engine where the request says so."""
    kind = "worker" if role == "aggregated" else role
    mocked = site.request.deploy.mocker
    gpus, nodes = (0, 1) if mocked else _pod_gpus(site, role, pool)
    gpu_limit = {GPU: str(gpus)}
    container = {
        "name": "main",
        "image": site.runtime_image,
        "command": ["python3", "-m", "dynamo.mocker" if mocked else TABLES[pool.engine.backend].module],
        "args": _mocker_args(site, role, pool) if mocked else _engine_args(site, role, pool),
        "env": [*_benchmark_env(site, role), *site.env()],
        "envFrom": [{"secretRef": {"name": HF_SECRET}}],
        "resources": {} if mocked else {"limits": gpu_limit, "requests": dict(gpu_limit)},
        "volumeMounts": site.volume_mounts() + (site.profile_mounts() if mocked else []),
    }
    volumes = site.volumes() + (site.profile_volumes() if mocked else [])
    document = component(site, NAMES[role], kind, container, volumes=volumes)
    extras: Document = {"replicas": pool.replicas}
    if nodes > 1:
        extras["multinode"] = {"nodeCount": nodes}
    if not mocked:
        # NCCL and the engines' own processes share host memory per GPU; Dynamo's default is 8Gi a pod.
        extras["sharedMemorySize"] = f"{max(16, 8 * gpus)}Gi"
    if site.is_scaled(role):
        extras["scalingAdapter"] = {}
    pod = document.pop("podTemplate")
    return {**document, **extras, "podTemplate": pod}


def component(
    site: Site, name: str, kind: str, container: Mapping[str, Any], *, volumes: list[Document]
) -> Document:
    """A component around its main container; empty settings are left out."""
    deploy = site.request.deploy
    pod = {
        "tolerations": [dict(item) for item in deploy.tolerations],
        "containers": [_without_empty(container)],
        "volumes": volumes,
    }
    version = deploy.runtime_version_override
    return {
        "name": name,
        "type": kind,
        "replicas": 1,
        **({"runtimeVersionOverride": version} if version else {}),
        "podTemplate": {"spec": _without_empty(pod)},
    }


def _without_empty(block: Mapping[str, Any]) -> Document:
    return {key: value for key, value in block.items() if value not in ([], {}, None)}


def _pod_gpus(site: Site, role: Role, pool: Pool) -> tuple[int, int]:
    """GPUs per pod and pods per engine; their product is the engine's GPUs exactly."""
    total, per_node = pool.plan.num_gpus, site.gpus_per_node
    if total <= per_node:
        return total, 1
    if total % per_node:
        raise InputError(
            f"{NAMES[role]}: one engine spans {total} GPUs ({pool.plan.label}), which is not a whole number "
            f"of nodes of {per_node} GPUs; choose a plan that fills its nodes"
        )
    return per_node, total // per_node


def _engine_args(site: Site, role: Role, pool: Pool) -> list[str]:
    context = WorkerContext(
        model_name=site.model,
        model_path=site.model_path,
        precision=site.deployment.precision,
        trust_remote_code=site.request.deploy.trust_remote_code,
        kv_events=site.request.deploy.kv_router,
    )
    return worker_args(pool, role, context)


def _mocker_args(site: Site, role: Role, pool: Pool) -> list[str]:
    """A simulated engine with the same queue limits; its timing is ours, or without data the mocker's own."""
    engine = pool.engine
    args = ["--model-path", site.model_path, "--model-name", site.model, "--speedup-ratio", "1.0"]
    if engine.backend in _MOCKED_ENGINES:
        args += ["--engine-type", engine.backend]
    args += ["--max-num-seqs", str(engine.max_num_seqs)]
    args += ["--max-num-batched-tokens", str(engine.max_num_batched_tokens)]
    args += ["--block-size", str(engine.kv_block_tokens)]
    if site.profile:
        args += ["--planner-profile-data", f"{PROFILE_MOUNT}/{MOCKER_NPZ}"]
    if not engine.prefix_caching:
        args.append("--no-enable-prefix-caching")
    if pool.plan.attn_dp > 1:
        args += ["--data-parallel-size", str(pool.plan.attn_dp)]
    return args if role == "aggregated" else [*args, "--disaggregation-mode", role]


def _benchmark_env(site: Site, role: Role) -> list[Document]:
    """vLLM workers measure themselves at start where a Planner will ask for the result."""
    deploy = site.request.deploy
    if deploy.planner is None or deploy.mocker or site.deployment.backend != "vllm":
        return []
    return [{"name": "DYN_BENCHMARK_MODE", "value": _BENCHMARK_MODES[role]}]
