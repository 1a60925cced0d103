"""Frontend and workers of a DynamoGraphDeployment, as v1beta1 components; the mocker in their place."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from simkit.core.deployment import Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.engines.flag_writer import worker_args
from simkit.engines.multinode import launch_problem
from simkit.engines.registry import engine_spec, engine_specs
from simkit.engines.spec import EngineShape, WorkerContext
from simkit.engines.support import mocked_as
from simkit.formats.dgd.alpha import GPU
from simkit.formats.dgd.network import Fabric, away_from
from simkit.formats.dgd.site import HF_SECRET, PROFILE_MOUNT, Document, Site, compilation_cache, startup_probe
from simkit.formats.planner.files import MOCKER_NPZ

# --- The mocker: a stand-in for an engine that needs no GPU.


# The GPUs that the guide lists as covered by AI Configurator, by its names.
_SYSTEMS: Mapping[str, str] = MappingProxyType({
    "h100_sxm": "h100_sxm", "h200_sxm": "h200_sxm", "a100_sxm": "a100_sxm", "b200_sxm": "b200_sxm",
    "gb200": "gb200", "gb200_sxm": "gb200", "l40s": "l40s",
})  # fmt: skip


def mocker_args(site: Site, role: Role, pool: Pool) -> list[str]:
    """The mocker's arguments: the engine's queue limits and the source of its step times.

    Where profiling data go with the deployment the times are ours. Without, Dynamo's mocker takes them
    from AI Configurator's tables on the GPUs that those cover, and elsewhere keeps its own constants.
    """
    engine = pool.engine
    args = ["--model-path", site.model_path, "--model-name", site.model, "--speedup-ratio", "1.0"]
    args += ["--engine-type", mocked_as(engine.backend)]
    args += ["--max-num-seqs", str(engine.max_num_seqs)]
    args += ["--max-num-batched-tokens", str(engine.max_num_batched_tokens)]
    args += ["--block-size", str(engine.kv_block_tokens)]
    if role in site.rank_kv_tokens:
        # Its own default is 16,384 blocks, which for blocks of one token is two long prompts.
        args += ["--num-gpu-blocks-override", str(site.rank_kv_tokens[role] // engine.kv_block_tokens)]
    if not engine.prefix_caching:
        args.append("--no-enable-prefix-caching")
    if pool.plan.attn_dp > 1:
        args += ["--data-parallel-size", str(pool.plan.attn_dp)]
    args += _timing_args(site, pool)
    return args if role == "aggregated" else [*args, "--disaggregation-mode", role]


def _timing_args(site: Site, pool: Pool) -> list[str]:
    if site.profile:
        return ["--planner-profile-data", f"{PROFILE_MOUNT}/{MOCKER_NPZ}"]
    system = _SYSTEMS.get(site.request.hardware.gpu or "")
    if system is None:
        return []
    plan, flag = pool.plan, site.release.simulator
    # No version of the tables: they are not those of the image's engine, and only the newest few are kept.
    found = {
        "perf-model": None,
        "backend": mocked_as(pool.engine.backend),
        "system": system,
        "tp-size": plan.tp,
    }
    if plan.moe_tp * plan.ep > 1:
        found |= {"moe-tp-size": plan.moe_tp, "moe-ep-size": plan.ep}
    found |= {"attention-dp-size": plan.attn_dp}
    words = ((f"{flag}-{name}", value) for name, value in found.items())
    return [part for name, value in words for part in ([name] if value is None else [name, str(value)])]


NAMES: Mapping[str, str] = MappingProxyType(
    {"aggregated": "worker", "prefill": "prefill", "decode": "decode"}
)
FRONTEND = "Frontend"
_LEGACY_ENDINGS = MappingProxyType({"Worker": "worker", "PrefillWorker": "prefill", "DecodeWorker": "decode"})
_BENCHMARK_MODES = MappingProxyType({"aggregated": "agg", "prefill": "prefill", "decode": "decode"})


def legacy_names() -> dict[str, str]:
    """Component names of older releases, VllmPrefillWorker and the like, and what they are called today."""
    engines = [spec.worker.component for spec in engine_specs() if spec.worker.component]
    return {engine + end: name for engine in engines for end, name in _LEGACY_ENDINGS.items()}


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
    if site.request.deploy.mocker:
        return _scaled(site, role, pool, mocker(site, role, pool))
    gpus, nodes = pod_gpus(site, role, pool)
    fabric = site.fabric(nodes)
    amounts = {GPU: str(gpus)} | ({fabric.resource: str(fabric.devices(gpus))} if fabric else {})
    cache = compilation_cache(site, pool.engine.backend)
    container = {
        "name": "main",
        "image": site.engine_image(fabric),
        "command": ["python3", "-m", engine_spec(pool.engine.backend).worker.module],
        "args": _engine_args(site, role, pool, fabric),
        "env": [
            *_benchmark_env(site, role),
            *site.env(),
            *(fabric.env_of(pool.engine.backend) if fabric else []),
            *cache.env,
        ],
        "envFrom": [{"secretRef": {"name": HF_SECRET}}],
        "resources": {"limits": amounts, "requests": dict(amounts)},
        "securityContext": fabric.security_context() if fabric else {},
        "startupProbe": startup_probe(site),
        "volumeMounts": site.volume_mounts(),
    }
    document = component(site, NAMES[role], kind_of(role), container, volumes=site.volumes())
    document["podTemplate"]["spec"] |= _placement(site, role, fabric)
    extras: Document = {"multinode": {"nodeCount": nodes}} if nodes > 1 else {}
    # NCCL and the engines' own processes share host memory per GPU; Dynamo's default is 8Gi a pod.
    extras |= {"sharedMemorySize": f"{max(16, 8 * gpus)}Gi", **cache.block}
    return _scaled(site, role, pool, {**document, **extras})


def _placement(site: Site, role: Role, fabric: Fabric | None) -> Document:
    """The nodes for an engine's pods: frontends and planners need no GPU node."""
    selector = site.request.deploy.cluster.node_selector
    found: Document = {"nodeSelector": dict(selector)} if selector else {}
    if fabric and fabric.spread and role == "decode" and site.spans_nodes:
        found["affinity"] = away_from([NAMES["prefill"]])
    return found


def mocker(site: Site, role: Role, pool: Pool) -> Document:
    """A simulated engine: no GPU, the Planner's image."""
    container = {
        "name": "main",
        "image": site.runtime_image,
        "command": ["python3", "-m", "dynamo.mocker"],
        "args": mocker_args(site, role, pool),
        "env": site.env(),
        "envFrom": [{"secretRef": {"name": HF_SECRET}}],
        "volumeMounts": [*site.volume_mounts(), *site.profile_mounts()],
    }
    volumes = [*site.volumes(), *site.profile_volumes()]
    return component(site, NAMES[role], kind_of(role), container, volumes=volumes)


def kind_of(role: Role) -> str:
    """The component type of a role."""
    return "worker" if role == "aggregated" else role


def _scaled(site: Site, role: Role, pool: Pool, document: Document) -> Document:
    """With its number of replicas, which a Planner may change; the pod comes last, it is the longest."""
    pod = document.pop("podTemplate")
    adapter: Document = {"scalingAdapter": {}} if site.is_scaled(role) else {}
    return {**document, "replicas": pool.replicas, **adapter, "podTemplate": pod}


def component(
    site: Site, name: str, kind: str, container: Mapping[str, Any], *, volumes: list[Document]
) -> Document:
    """A component around its main container; empty settings are left out."""
    deploy = site.request.deploy
    pod = {
        "imagePullSecrets": site.pull_secrets(),
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


def pod_gpus(site: Site, role: Role, pool: Pool) -> tuple[int, int]:
    """GPUs per pod and pods per engine; their product is the engine's GPUs exactly."""
    total, per_node = pool.plan.num_gpus, site.gpus_per_node
    if total <= per_node:
        return total, 1
    if total % per_node:
        raise InputError(
            f"{NAMES[role]}: one engine spans {total} GPUs ({pool.plan.label}), which is not a whole number "
            f"of nodes of {per_node} GPUs; choose a plan that fills its nodes"
        )
    shape = EngineShape.of(pool.engine.backend, pool.plan)
    reason = launch_problem(shape, gpus_per_pod=per_node, nodes=total // per_node)
    if reason:
        raise InputError(f"{NAMES[role]}: {reason}")
    return per_node, total // per_node


def _engine_args(site: Site, role: Role, pool: Pool, fabric: Fabric | None) -> list[str]:
    context = WorkerContext(
        model_name=site.model,
        model_path=site.model_path,
        precision=site.deployment.precision,
        trust_remote_code=site.request.deploy.trust_remote_code,
        kv_events=site.request.deploy.kv_router,
        kv_roles=site.release.kv_roles,
        nixl_backend=fabric.nixl_backend if fabric else None,
        switches=site.metrics_flags,
    )
    return worker_args(pool, role, context)


def _benchmark_env(site: Site, role: Role) -> list[Document]:
    """Workers that measure themselves at start, where a Planner will ask for the result, are told how."""
    deploy = site.request.deploy
    if deploy.planner is None or not engine_spec(site.deployment.backend).worker.measures_itself:
        return []
    return [{"name": "DYN_BENCHMARK_MODE", "value": _BENCHMARK_MODES[role]}]
