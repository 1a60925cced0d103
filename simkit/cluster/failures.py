"""What an API server refused, or did not answer, in words: what, where, and what to do."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from simkit.core.errors import ExternalError, InputError
from simkit.core.json_texts import json_value

_MOST = 600  # characters of a server's message
_PASSING = frozenset({429, 500, 502, 503, 504})


class ClusterError(ExternalError):
    """The API server failed or refused; status is HTTP's, 0 where none was received."""

    def __init__(self, message: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s

    @property
    def may_pass(self) -> bool:
        """Whether whoever waits had better wait on: the server is away, overloaded or failing just now."""
        return self.status in _PASSING


class UnreachableError(ClusterError):
    """No answer: refused, reset, timed out."""

    @property
    def may_pass(self) -> bool:
        """A server that does not answer may come back."""
        return True


class GoneError(ClusterError):
    """A place in the history is no longer kept (410): list again. goes_on: where a list may go on instead."""

    goes_on: str | None = None


class NotFoundError(ClusterError):
    """No such object, namespace or kind (404)."""


class ConflictError(ClusterError):
    """Another writer was there (409). owners: who, by the field that it owns; empty where it is no field."""

    owners: Mapping[str, str] = MappingProxyType({})


class ForbiddenError(ClusterError):
    """A right is missing, or a quota is used up (403)."""


class RefusedError(InputError):
    """The server checked an object and refuses it (400, 422, an admission webhook)."""


_KINDS: Mapping[int, type[ClusterError]] = {
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    403: ForbiddenError,
}
_WEBHOOK = "admission webhook"
_OWNER = re.compile(r'conflict with "([^"]+)"')


def failure(status: int, body: str, what: str, headers: Mapping[str, str]) -> ClusterError | RefusedError:
    """The error that an answer stands for; what says which request, such as `GET /api/v1/nodes`."""
    said = _said(body)
    message = " ".join(str(said.get("message") or body or "no message").split())[:_MOST]
    if status in (400, 422) or _WEBHOOK in message:
        return RefusedError(f"the cluster refuses it: {message}; correct the document")
    wait = headers.get("Retry-After", "")
    seconds = float(wait) if wait.isdigit() else None
    kind = _KINDS.get(status, ClusterError)
    error = kind(f"{what}: {message}{_remedy(status, message)}", status=status, retry_after_s=seconds)
    if isinstance(error, ConflictError):
        error.owners = _owners(said)
    if isinstance(error, GoneError):
        error.goes_on = (said.get("metadata") or {}).get("continue") or None
    return error


def _owners(said: Mapping[str, Any]) -> dict[str, str]:
    """Who owns which field, as server-side apply tells."""
    causes = (said.get("details") or {}).get("causes") or ()
    found = {str(one.get("field")): _OWNER.search(str(one.get("message"))) for one in causes}
    return {path: owner[1] for path, owner in found.items() if owner}


def _said(body: str) -> Mapping[str, Any]:
    try:
        found = json_value(body, "answer", strict=False)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


_REMEDIES = (
    (401, "", "the token was not accepted, it may have expired: log in again, or refresh the kubeconfig"),
    (403, "exceeded quota", "ask for less, or have it raised: kubectl describe resourcequota"),
    (403, "being terminated", "the namespace is being deleted: wait, or choose another by --namespace"),
    (403, "", "ask for that right: deploy/cluster/rbac.yaml holds all that simkit needs"),
    (429, "", "the server is overloaded: try again later"),
    (500, "calling webhook", "the webhook's own server does not answer: simkit check looks at the operator"),
    (500, "", "the API server itself failed: kubectl get --raw=/readyz?verbose"),
)


def _remedy(status: int, message: str) -> str:
    for code, words, remedy in _REMEDIES:
        matches = status >= 500 if code == 500 else status == code
        if matches and words in message:
            return f"; {remedy}"
    return ""


def unreachable(error: Exception, host: str) -> UnreachableError:
    """The error for a request that got no answer."""
    reason = " ".join(str(getattr(error, "reason", None) or error).split())
    reason = reason.rpartition(">: ")[2] or reason  # without the object that a client library names first
    return UnreachableError(
        f"{host}: no answer ({reason[:200]}); check the context and the network: kubectl cluster-info"
    )
