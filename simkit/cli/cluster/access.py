"""Flags of every verb that talks to a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.cli.flags.groups import plain_flag, with_flags
from simkit.core.errors import InputError

ClusterFlags = Mapping[str, Any]

_PANEL = "Cluster"
_MOST_REQUEST_S = 86_400.0
_OPTIONS: tuple[tuple[str, Any, Any, str, str], ...] = (
    ("kubeconfig", Path, None, "--kubeconfig", "The file that kubectl takes by that name."),
    ("context", str, None, "--context", "Context of the kubeconfig, instead of the current one."),
    ("namespace", str, None, "--namespace", "Instead of the document's or the context's."),
    (
        "request_timeout",
        float,
        30.0,
        "--request-timeout",
        "Seconds that one request to the cluster may take.",
    ),
)

with_access_flags = with_flags(
    "access",
    [
        plain_flag(_PANEL, name, kind, (option, text), default)
        for name, kind, default, option, text in _OPTIONS
    ],
)


def api_of(flags: ClusterFlags) -> Any:
    """The cluster that the flags name."""
    from simkit.cluster.access import connect

    return connect(_access(flags))


def namespace_from(flags: ClusterFlags) -> str:
    """Where objects go that name no namespace; nothing is sent."""
    from simkit.cluster.access import namespace_of

    return namespace_of(_access(flags))


def _access(flags: ClusterFlags) -> Any:
    from simkit.cluster.access import Access

    seconds = flags["request_timeout"]
    if not 0 < seconds < _MOST_REQUEST_S:
        raise InputError(f"--request-timeout {seconds:g}: expected seconds above 0, such as 30")
    return Access(
        kubeconfig=flags["kubeconfig"],
        context=flags["context"],
        namespace=flags["namespace"],
        request_s=seconds,
    )
