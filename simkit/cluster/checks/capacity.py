"""Whether the pods find room: quota, taints, GPUs that are there and GPUs that are free."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.cluster.api import Api
from simkit.cluster.checks.finding import Finding, doubtful, good, wrong
from simkit.cluster.discover import gpu_nodes, used_gpus
from simkit.cluster.kinds import path_of
from simkit.cluster.nodes import GPU, GpuNode, Taint
from simkit.cluster.wanted import PodGroup, Wanted

_QUOTAS = (f"requests.{GPU}", f"limits.{GPU}")


def quota(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """GPUs and pods that the namespace's quotas still leave."""
    pods = sum(group.pods for group in want.groups)
    needs = {**dict.fromkeys(_QUOTAS, want.gpus), "pods": pods, "count/pods": pods}
    for found in api.items(path_of("ResourceQuota", namespace)):
        name, status = found["metadata"]["name"], found.get("status") or {}
        hard = status.get("hard") or (found.get("spec") or {}).get("hard") or {}
        for resource, need in needs.items():
            if resource in hard:
                left = _number(hard[resource]) - _number((status.get("used") or {}).get(resource))
                yield _quota(name, resource, need, left, namespace)


def _quota(name: str, resource: str, need: int, left: int, namespace: str) -> Finding:
    if need <= left:
        return good(f"quota {name}", f"{resource}: {need} wanted, {left} left")
    command = f"kubectl -n {namespace} describe quota {name}; recommend with --total-gpus {max(left, 0)}"
    return wrong(f"quota {name}", f"{resource}: {need} wanted, {max(left, 0)} left", command)


def _number(value: Any) -> int:
    text = str(value or "0")
    return int(text) if text.isdigit() else 0


def gpus(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Room for the pods: by taints, by what nodes have, by what is free now."""
    asking = [group for group in want.groups if group.gpus]
    if not asking and not want.total_gpus:
        return
    nodes = list(gpu_nodes(api))
    if not nodes:
        command = "kubectl get nodes -L nvidia.com/gpu.product; install the NVIDIA GPU operator"
        yield wrong("GPUs", "no node offers GPUs", command)
        return
    taints = list(_taint_findings(asking, nodes))
    yield from taints
    if want.total_gpus:
        yield _total(want.total_gpus, nodes)
        return
    if not taints:
        yield from _room(asking, nodes, used_gpus(api))


def _total(asked: int, nodes: Sequence[GpuNode]) -> Finding:
    there = sum(node.allocatable for node in nodes)
    if asked <= there:
        return good("GPUs", f"{asked} asked for, {there} here")
    command = f"recommend with --total-gpus {there}; simkit discover lists what is here"
    return wrong("GPUs", f"totalGpus {asked}, but only {there} are here", command)


def _taint_findings(groups: Sequence[PodGroup], nodes: Sequence[GpuNode]) -> Iterator[Finding]:
    """Groups that no node lets in."""
    for group in groups:
        fitting = [node for node in nodes if _selected(group, node)]
        if not fitting:
            labels = ",".join(f"{key}={value}" for key, value in group.selector.items())
            command = f"kubectl get nodes -l {labels}"
            yield wrong(f"nodes for {group.component}", "no GPU node carries its nodeSelector", command)
            continue
        if any(not _barriers(group, node) for node in fitting):
            continue
        barrier = Counter(taint for node in fitting for taint in _barriers(group, node)).most_common(1)[0][0]
        text = f"{{key: {barrier.key}, operator: Exists, effect: {barrier.effect}}}"
        problem = f"every GPU node has taints it does not tolerate, such as {barrier.key}:{barrier.effect}"
        command = (
            f"add the toleration {text} to its pod, or in a DGDR to "
            "spec.overrides.profilingJob.template.spec.tolerations, from where every component gets it"
        )
        yield wrong(f"taints for {group.component}", problem, command)


def _selected(group: PodGroup, node: GpuNode) -> bool:
    return all(node.labels.get(key) == value for key, value in group.selector.items())


def _barriers(group: PodGroup, node: GpuNode) -> list[Taint]:
    return [taint for taint in node.taints if not any(tolerates(one, taint) for one in group.tolerations)]


def tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    """Whether a toleration lets a pod pass a taint, as the scheduler decides."""
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    key, operator = toleration.get("key"), toleration.get("operator") or "Equal"
    if operator == "Exists":
        return key in (None, "", taint.key)
    return bool(key == taint.key and str(toleration.get("value") or "") == taint.value)


def _room(
    groups: Sequence[PodGroup], nodes: Sequence[GpuNode], used: Mapping[str, int] | None
) -> Iterator[Finding]:
    """First on nodes as if they were empty, then on what is free: the difference is waiting."""
    need = sum(group.pods * group.gpus for group in groups)
    left_out = placed(groups, nodes, {})
    if left_out:
        there = sum(node.allocatable for node in nodes)
        command = f"simkit recommend ... --total-gpus {there}; simkit discover lists what is here"
        yield wrong("GPUs", f"{need} asked for; even on empty nodes there is no room for {left_out}", command)
        return
    if used is None:
        yield doubtful("GPUs", "pods of other namespaces may not be read: free GPUs are not known")
        return
    left_out = placed(groups, nodes, used)
    if left_out:
        free = sum(max(node.allocatable - used.get(node.name, 0), 0) for node in nodes if node.usable)
        command = "wait, or free GPUs: kubectl get pods -A -o wide"
        yield doubtful("GPUs", f"{need} asked for, {free} free now: no room for {left_out}", command)
    else:
        yield good("GPUs", f"{need} asked for, and free")


def placed(groups: Sequence[PodGroup], nodes: Sequence[GpuNode], used: Mapping[str, int]) -> str:
    """The pods that find no place, largest first on the fullest node that fits; empty if all do."""
    free = {node.name: node.allocatable - used.get(node.name, 0) for node in nodes if node.usable}
    left_out = []
    for group in sorted(groups, key=lambda one: -one.gpus):
        open_to = [
            n.name for n in nodes if n.name in free and _selected(group, n) and not _barriers(group, n)
        ]
        missing = 0
        for _ in range(group.pods):
            fitting = [name for name in open_to if free[name] >= group.gpus]
            if fitting:
                free[min(fitting, key=lambda name: free[name])] -= group.gpus
            else:
                missing += 1
        if missing:
            left_out.append(f"{missing} of {group.pods} {group.component} pods of {group.gpus} GPUs")
    return ", ".join(left_out)


def devices(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """RDMA and other devices that pods ask for: some node must offer as many."""
    needs = {name: count for group in want.groups for name, count in group.devices.items()}
    if not needs:
        return
    offered: Counter[str] = Counter()
    for node in gpu_nodes(api):
        for name, count in node.rdma.items():
            offered[name] = max(offered[name], count)
    for name, count in needs.items():
        if offered[name] >= count:
            yield good(f"devices {name}", f"{count} a pod, {offered[name]} a node")
        else:
            others = ", ".join(sorted(offered)) or "none"
            command = f"recommend with --rdma-resource; offered here: {others}"
            yield wrong(f"devices {name}", f"{count} a pod, but nodes offer {offered[name]}", command)
