"""Flags of every verb that talks to a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.cli.flags.groups import plain_flag, with_flags

ClusterFlags = Mapping[str, Any]

_PANEL = "Cluster"
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
    from simkit.cluster.access import Access, connect

    return connect(
        Access(
            kubeconfig=flags["kubeconfig"],
            context=flags["context"],
            namespace=flags["namespace"],
            request_s=flags["request_timeout"],
        )
    )
