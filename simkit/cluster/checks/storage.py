"""Namespace, claims, secrets and images: what the pods mount, read and pull."""

import re
from collections.abc import Iterator

from simkit.cluster.api import METADATA_ONLY, Api, Document
from simkit.cluster.checks.finding import Finding, doubtful, good, wrong
from simkit.cluster.kinds import path_of
from simkit.cluster.wanted import HF_SECRET, Claim, Wanted

_SNAPSHOT = re.compile(r"(^|/)models--[^/]+/snapshots/[^/<>]+/?$")


def namespace_state(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Whether the namespace is there and stays."""
    found = api.find(f"/api/v1/namespaces/{namespace}")
    if found is None:
        yield wrong("namespace", f"{namespace} does not exist", f"kubectl create namespace {namespace}")
    elif (found.get("status") or {}).get("phase") == "Terminating":
        command = f"kubectl get namespace {namespace} -o jsonpath='{{.status.conditions}}'"
        yield wrong("namespace", f"{namespace} is being deleted: nothing can be created in it", command)
    else:
        yield good("namespace", namespace)


def claims(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Every claim: there, bound, and for many pods to mount."""
    for claim in want.claims:
        found = api.find(path_of("PersistentVolumeClaim", namespace, claim.name))
        if found is None:
            command = (
                "simkit recommend ... --with-model-cache-job writes it; "
                f"or kubectl -n {namespace} apply -f pvc.yaml"
            )
            yield wrong(f"pvc {claim.name}", "does not exist", command)
            continue
        yield from _claim(claim, found, namespace)


def _claim(claim: Claim, found: Document, namespace: str) -> Iterator[Finding]:
    subject = f"pvc {claim.name}"
    phase = (found.get("status") or {}).get("phase")
    modes = (found.get("spec") or {}).get("accessModes") or []
    problems = []
    if phase != "Bound":
        problems.append(f"is {phase or 'not bound'}: no volume yet")
    if claim.many and "ReadWriteMany" not in modes and "ReadOnlyMany" not in modes:
        problems.append(
            f"is {', '.join(modes)}: pods on several nodes cannot mount it; make it ReadWriteMany"
        )
    if problems:
        command = f"kubectl -n {namespace} describe pvc {claim.name}; kubectl get storageclass"
        yield wrong(subject, "; ".join(problems), command)
    else:
        yield good(subject, f"bound, {', '.join(modes)}")
    if claim.path and not _SNAPSHOT.search(claim.path):
        command = f"kubectl -n {namespace} exec POD -- ls MOUNT/hub/models--ORG--NAME/snapshots"
        expected = "expected hub/models--ORG--NAME/snapshots/COMMIT"
        yield doubtful(subject, f"pvcModelPath {claim.path!r} is no snapshot; {expected}", command)


def secrets(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Secrets that pods read: whether they are there. Their values are never asked for."""
    for name in want.secrets:
        if api.find(path_of("Secret", namespace, name), accept=METADATA_ONLY) is not None:
            yield good(f"secret {name}", "there")
            continue
        key = "HF_TOKEN" if name == HF_SECRET else "KEY"
        command = f"kubectl -n {namespace} create secret generic {name} --from-literal={key}=<your-token>"
        if want.kind != "DynamoGraphDeployment":
            yield doubtful(f"secret {name}", "does not exist: gated models cannot be downloaded", command)
        else:
            yield wrong(f"secret {name}", "does not exist: pods that read it do not start", command)


def images(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Pull secrets, and tags that may change under a deployment."""
    for name in want.pull_secrets:
        if api.find(path_of("Secret", namespace, name), accept=METADATA_ONLY) is None:
            command = (
                f"kubectl -n {namespace} create secret docker-registry {name} --docker-server=nvcr.io ..."
            )
            yield wrong(f"pull secret {name}", "does not exist: images cannot be pulled", command)
    for image in want.images:
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@" not in image and tag in ("", "latest"):
            problem = f"{image} has no fixed tag: what runs may change with every pod"
            yield doubtful("image", problem, f"write a version, such as {image.partition(':')[0]}:1.6.1")
