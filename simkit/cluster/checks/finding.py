"""One thing that was looked at: well, doubtful or wrong, and the command that mends it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from simkit.cluster.api import Api
from simkit.cluster.failures import ClusterError, ForbiddenError
from simkit.cluster.wanted import Wanted

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """subject: what was looked at; problem: what was found; command: what mends it, empty if nothing."""

    level: Level
    subject: str
    problem: str
    command: str = ""


def good(subject: str, text: str) -> Finding:
    """In order."""
    return Finding(level="ok", subject=subject, problem=text)


def doubtful(subject: str, problem: str, command: str = "") -> Finding:
    """May fail, or serves badly."""
    return Finding(level="warning", subject=subject, problem=problem, command=command)


def wrong(subject: str, problem: str, command: str) -> Finding:
    """Will fail."""
    return Finding(level="error", subject=subject, problem=problem, command=command)


Check = Callable[[Api, Wanted, str], Iterable[Finding]]


def asked(check: Check, api: Api, want: Wanted, namespace: str) -> Iterator[Finding]:
    """A check's findings; what may not be read is doubtful, and no other check suffers."""
    subject = check.__name__.replace("_", " ")
    try:
        yield from check(api, want, namespace)
    except ForbiddenError as error:
        yield doubtful(subject, f"cannot be looked at: {error}", "kubectl apply -f deploy/cluster/rbac.yaml")
    except ClusterError as error:
        yield doubtful(subject, f"could not be looked at: {error}")
