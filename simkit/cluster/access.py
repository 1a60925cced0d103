"""Which cluster, and as whom: kubeconfig and context, or the service account of the pod this runs in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.cluster.api import Api
from simkit.core.errors import ExternalError, InputError

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API server is found. None: as kubectl would choose.

    request_s: seconds that one request may take.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    request_s: float = 30.0


def is_configured(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a cluster is at hand without being named: KUBECONFIG, ~/.kube/config, or inside a pod."""
    environ = os.environ if environ is None else environ
    return bool(environ.get("KUBECONFIG")) or (Path.home() / ".kube" / "config").is_file() or _in_cluster()


def namespace_of(access: Access) -> str:
    """Where objects go that name no namespace: that of the flags, of the context or pod, else `default`."""
    named = access.kubeconfig is not None or access.context is not None
    return connect(access).namespace if named or is_configured() else access.namespace or "default"


def connect(access: Access) -> Api:
    """The API of a cluster; nothing is sent yet.

    Raises InputError where the kubeconfig or context cannot be used or the package is not installed.
    """
    client, config = _package()
    settings = client.Configuration()
    try:
        namespace = _load(config, access, settings)
    except (config.ConfigException, OSError) as error:
        raise InputError(
            f"no cluster to talk to ({' '.join(str(error).split())}); "
            "give --kubeconfig and --context, or set KUBECONFIG"
        ) from error
    settings.retries = False  # ours are bounded by time, and know which requests may be sent twice
    return Api(
        client=client.ApiClient(settings),
        namespace=access.namespace or namespace or "default",
        request_s=access.request_s,
    )


def _package() -> tuple[Any, Any]:
    try:
        from kubernetes import client, config
    except ModuleNotFoundError as missing:
        raise InputError(
            f"clusters are reached with the package {missing.name}, which is not installed: "
            'pip install "dynamo-simkit[cluster]"'
        ) from missing
    return client, config


def _load(config: Any, access: Access, settings: Any) -> str | None:
    """Fill the settings; gives the namespace that the context or the pod names."""
    if access.kubeconfig is None and access.context is None and _in_cluster() and not _has_file():
        config.load_incluster_config(client_configuration=settings)
        return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    path = str(access.kubeconfig) if access.kubeconfig else os.environ.get("KUBECONFIG") or None
    config.load_kube_config(config_file=path, context=access.context, client_configuration=settings)
    contexts, active = config.list_kube_config_contexts(config_file=path)
    chosen = next((one for one in contexts if one["name"] == access.context), active)
    found = (chosen.get("context") or {}).get("namespace")
    return str(found) if found else None


def _has_file() -> bool:
    return bool(os.environ.get("KUBECONFIG")) or (Path.home() / ".kube" / "config").is_file()


def _in_cluster() -> bool:
    return (_SERVICE_ACCOUNT / "token").is_file() and "KUBERNETES_SERVICE_HOST" in os.environ


def reach(api: Api) -> str:
    """The server's version. Raises ClusterError where it does not answer."""
    version = api.get("/version")
    text = version.get("gitVersion")
    if not text:
        raise ExternalError(f"{api.host}: answers, but not as a Kubernetes API server; check the kubeconfig")
    return str(text)
