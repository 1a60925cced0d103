"""The profiling Job as Dynamo's operator makes it from a request, with spec.overrides.profilingJob merged."""

from typing import Any

from simkit.adapters.dynamo_site import HF_SECRET, Site
from simkit.adapters.kube_merge import merge

Document = dict[str, Any]

OUTPUT = "/data"
_ACCOUNT = "dgdr-profiling-job"
_USER = 1000
_BACKOFF = 3


def profiling_job(site: Site, config: str) -> Document:
    """A Job that profiles for the request whose spec, as JSON, is `config`.

    The model's volume is mounted read-only, as in the deployment. Raises InputError where the override
    does not fit a Job.
    """
    deploy = site.request.deploy
    namespace = {"namespace": deploy.namespace} if deploy.namespace else {}
    spec: Document = {
        "backoffLimit": _BACKOFF,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": _ACCOUNT,
                "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
                "containers": [_container(site, config)],
                "volumes": [{"name": "output", "emptyDir": {}}, *site.volumes()],
            }
        },
    }
    if deploy.profiling_job:
        spec = merge(spec, deploy.profiling_job, "spec.overrides.profilingJob")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"profile-{deploy.name}"[:63].rstrip("-."), **namespace},
        "spec": spec,
    }


def _container(site: Site, config: str) -> Document:
    return {
        "name": "profiler",
        "image": site.request.deploy.image or site.image("dynamo-planner"),
        "command": ["python3", "-m", "dynamo.profiler"],
        "args": ["--config", config, "--output-dir", OUTPUT],
        "envFrom": [{"secretRef": {"name": HF_SECRET, "optional": True}}],
        "volumeMounts": [{"name": "output", "mountPath": OUTPUT}, *site.volume_mounts()],
    }
