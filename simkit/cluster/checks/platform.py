"""Dynamo's own kinds, its operator, and what multinode and SLA scaling need besides."""

from collections.abc import Iterator
from functools import partial

from simkit.cluster.api import Api
from simkit.cluster.checks.finding import Finding, doubtful, good, wrong
from simkit.cluster.kinds import KINDS
from simkit.cluster.wanted import Wanted

_GUIDE = "https://docs.nvidia.com/dynamo: Installation Guide"
_CRDS = "helm install dynamo-crds oci://helm.ngc.nvidia.com/nvidia/ai-dynamo/dynamo-crds --version 1.6.1"
_PLATFORM = (
    "helm install dynamo-platform oci://helm.ngc.nvidia.com/nvidia/ai-dynamo/dynamo-platform "
    "--version 1.6.1 -n dynamo-system --create-namespace"
)


def dynamo_kinds(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Whether the cluster serves the document's kind, and in which versions."""
    kind = KINDS[want.kind]
    found = api.find("/apis/nvidia.com") or {}
    versions = [str(one["version"]) for one in found.get("versions") or ()]
    serving = [version for version in versions if _serves(api, version, kind.plural)]
    if not serving:
        yield wrong("CRDs", f"{want.kind} is not known here: Dynamo's CRDs are missing", _CRDS)
    elif "v1beta1" not in serving:
        old = f"{want.kind} is served as {', '.join(serving)} only, which is older than 1.6's v1beta1"
        yield wrong("CRDs", old, _CRDS.replace("install", "upgrade"))
    else:
        yield good("CRDs", f"{want.kind} {', '.join(serving)}")


def _serves(api: Api, version: str, plural: str) -> bool:
    resources = (api.find(f"/apis/nvidia.com/{version}") or {}).get("resources") or ()
    return any(one.get("name") == plural for one in resources)


def operator(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Whether Dynamo's operator runs: without it objects are kept and nothing happens."""
    found = [one for one in api.items("/apis/apps/v1/deployments") if "dynamo-operator" in _images(one)]
    if not found:
        problem = "Dynamo's operator does not run here: nothing would act on the object"
        yield wrong("operator", problem, _PLATFORM)
    for one in found:
        where = f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        if (one.get("status") or {}).get("availableReplicas"):
            yield good("operator", where)
        else:
            command = f"kubectl -n {one['metadata']['namespace']} describe deploy {one['metadata']['name']}"
            yield wrong("operator", f"{where} has no running pod", command)


def _images(deployment: dict[str, object]) -> str:
    """The name and images of a Deployment as one text."""
    metadata: object = deployment.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    spec = deployment.get("spec")
    pods = ((spec or {}).get("template") or {}).get("spec") or {} if isinstance(spec, dict) else {}
    return " ".join([str(name), *(str(one.get("image")) for one in pods.get("containers") or ())])


def multinode(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Grove or LeaderWorkerSet where an engine spans nodes; KAI scheduler is recommended with Grove."""
    if not want.multinode:
        return
    has = partial(_has_group, api)
    grove, lws = has("grove.io"), has("leaderworkerset.x-k8s.io")
    if not grove and not lws:
        problem = "an engine spans nodes, and neither Grove nor LeaderWorkerSet is installed"
        yield wrong(
            "multinode",
            problem,
            f"helm upgrade dynamo-platform ... --set global.grove.install=true ({_GUIDE})",
        )
        return
    yield good("multinode", "Grove" if grove else "LeaderWorkerSet")
    if grove and not has("scheduling.run.ai"):
        problem = "Grove without KAI scheduler: pods may stay SchedulingGated without an event"
        yield doubtful(
            "multinode", problem, "helm upgrade dynamo-platform ... --set global.kai-scheduler.install=true"
        )
    if lws and not grove and not has("scheduling.volcano.sh"):
        yield doubtful("multinode", "LeaderWorkerSet without Volcano: pods are not scheduled together")


def prometheus(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Prometheus where the Planner scales by the SLA."""
    if not want.planner_sla:
        return
    if _has_group(api, "monitoring.coreos.com"):
        yield good("Prometheus", "its operator's kinds are here")
        return
    command = (
        "helm install prometheus prometheus-community/kube-prometheus-stack -n monitoring "
        "--create-namespace, or features.planner.optimization_target: throughput"
    )
    yield wrong(
        "Prometheus", "optimization_target sla reads live metrics from it, and it is missing", command
    )


def _has_group(api: Api, group: str) -> bool:
    return api.find(f"/apis/{group}") is not None
