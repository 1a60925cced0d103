"""What we may do there, and what the server itself says to the object."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.cluster.api import Api
from simkit.cluster.checks.finding import Finding, doubtful, good, wrong
from simkit.cluster.failures import ClusterError, ConflictError, NotFoundError, RefusedError
from simkit.cluster.kinds import DYNAMO, KINDS, object_words, path_of
from simkit.cluster.wanted import Wanted

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Verb, group, resource: what deploy, status and delete do.
NEEDED = (
    *((verb, "nvidia.com", KINDS[kind].plural) for kind in DYNAMO
      for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("list", "", "pods"),
    ("list", "", "events"),
)  # fmt: skip


def rights(api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """Every right that following the document takes."""
    plural = KINDS[want.kind].plural
    missing = [
        f"{verb} {resource}"
        for verb, group, resource in NEEDED
        if (group == "" or resource == plural) and not _may(api, namespace, verb, group, resource)
    ]
    if missing:
        yield wrong(
            "rights",
            f"you may not {', '.join(missing)}",
            "kubectl apply -f deploy/cluster/rbac.yaml (by an administrator)",
        )
    else:
        yield good("rights", "all that deploy, status and delete take")


def _may(api: Api, namespace: str, verb: str, group: str, resource: str) -> bool:
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
    body: dict[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    answer = api.create(_REVIEW, {**body, "spec": {"resourceAttributes": attributes}})
    return bool((answer.get("status") or {}).get("allowed"))


def dry_run(api: Api, documents: Sequence[Mapping[str, Any]], namespace: str) -> Iterator[Finding]:
    """The server's own word on every object, webhooks included; nothing is stored."""
    for document in documents:
        kind, name = str(document["kind"]), document["metadata"]["name"]
        where = object_words(kind, name, namespace)
        path = path_of(kind, namespace, name, version=str(document.get("apiVersion")))
        try:
            api.apply(path, dict(document), dry_run=True)
        except RefusedError as error:
            yield wrong(f"dry run of {where}", str(error), "correct the document; simkit validate says where")
        except ConflictError as error:
            yield wrong(f"dry run of {where}", str(error), "simkit deploy says who owns the field")
        except NotFoundError:  # kind or namespace: said by their own checks
            yield doubtful(f"dry run of {where}", "could not be tried: its kind or namespace is missing")
        except ClusterError as error:
            yield wrong(f"dry run of {where}", str(error), "kubectl auth can-i --list")
        else:
            yield good(f"dry run of {where}", "the server takes it")
