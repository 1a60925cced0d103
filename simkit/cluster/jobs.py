"""A Job that measures inside the cluster: written, run to its end, its result read from its log, removed."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError, ConflictError, NotFoundError
from simkit.cluster.kinds import DEPLOYMENT_LABEL, OURS, path_of
from simkit.cluster.pods import states
from simkit.core.errors import ExternalError

_BEGIN, _END = "-----simkit result begins-----", "-----simkit result ends-----"
_PAUSE_S, _MOST_LOG, _TOLD_LINES = 2.0, 20_000, 12
_SLACK_S = 900.0  # for pulling the image and waiting for the model


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringJob:
    """What is run: a command, whose result is one file. deployment: what it measures, for its labels."""

    command: tuple[str, ...]
    result: str
    image: str
    deployment: str
    namespace: str
    timeout_s: float
    token_secret: str


def manifest(job: MeasuringJob) -> Document:
    """The Job as it is sent. Its name is the server's choice, so that two benchmarks never meet."""
    labels = {**OURS, DEPLOYMENT_LABEL: job.deployment[:63].rstrip("-.")}
    container = {
        "name": "benchmark",
        "image": job.image,
        "command": ["sh", "-c", script(job.command, job.result)],
        "envFrom": [{"secretRef": {"name": job.token_secret, "optional": True}}],
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"{job.deployment[:40].rstrip('-.')}-benchmark-",
            "namespace": job.namespace,
            "labels": labels,
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(job.timeout_s + _SLACK_S),
            "ttlSecondsAfterFinished": 86_400,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }


def script(command: Sequence[str], result: str) -> str:
    """What the container runs: the command, then its result between two marks."""
    lines = ("set -e", 'cd "$(mktemp -d)"', shlex.join(command))
    shown = (f"echo '{_BEGIN}'", f"cat {shlex.quote(result)}", "echo", f"echo '{_END}'")
    return "\n".join((*lines, *shown))


def run_job(api: Api, job: MeasuringJob, say: Callable[[str], None]) -> str:
    """The result of a Job; the Job is removed however that ends.

    Raises ExternalError with the last words of its log where it fails or takes too long.
    """
    jobs = path_of("Job", job.namespace)
    made = api.create(jobs, manifest(job))
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    say(f"job/{name} created in {job.namespace}")
    try:
        succeeded = _ended(api, f"{jobs}/{name}", job, say)
        log = _log(api, job.namespace, name)
    finally:
        remove_or_say(api, f"{jobs}/{name}", uid, say)
    return result_of(log, name, succeeded=succeeded)


def result_of(log: str, name: str, *, succeeded: bool) -> str:
    """What stands between the marks of a log. Raises ExternalError where it is not whole."""
    _, begun, rest = log.partition(f"{_BEGIN}\n")
    result, ended, _ = rest.partition(f"\n{_END}")
    if succeeded and begun and ended:
        return result.strip()
    words = " | ".join(log.strip()[-_MOST_LOG:].splitlines()[-_TOLD_LINES:]) or "its log is empty"
    raise ExternalError(f"job/{name}: {'gave no result' if succeeded else 'failed'} ({words})")


def _ended(api: Api, path: str, job: MeasuringJob, say: Callable[[str], None]) -> bool:
    """Wait for the Job's end; whether it succeeded."""
    end, told = time.monotonic() + job.timeout_s + _SLACK_S, set[str]()
    while time.monotonic() < end:
        try:
            found = api.get(path)
            for condition in (found.get("status") or {}).get("conditions") or ():
                if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
                    return bool(condition["type"] == "Complete")
            reason = _waiting(api, job.namespace, found["metadata"]["name"])
        except NotFoundError as error:
            raise ExternalError(f"{path}: somebody else deleted the Job meanwhile; start it again") from error
        except ClusterError as error:
            if not error.may_pass:
                raise
            reason = f"waiting for the API server: {error}"
        if reason and reason not in told:
            told.add(reason)
            say(reason)
        time.sleep(_PAUSE_S)
    raise ExternalError(f"{path}: not done after {job.timeout_s + _SLACK_S:g} s; raise --timeout")


def _waiting(api: Api, namespace: str, name: str) -> str:
    pods = states(_pods(api, namespace, name))
    return next((f"pod {pod.name}: {pod.reason}" for pod in pods if not pod.ready and pod.reason), "")


def _pods(api: Api, namespace: str, name: str) -> list[Document]:
    return list(api.items(path_of("Pod", namespace), {"labelSelector": f"job-name={name}"}))


def _log(api: Api, namespace: str, name: str) -> str:
    for pod in _pods(api, namespace, name):
        path = f"{path_of('Pod', namespace, pod['metadata']['name'])}/log"
        try:
            return api.text(path, {"container": "benchmark"})
        except ClusterError as error:
            raise ExternalError(f"job/{name}: its log cannot be read: {error}") from error
    raise ExternalError(f"job/{name}: its pod is gone, and with it the result; was its node drained?")


def remove_or_say(api: Api, path: str, uid: str, say: Callable[[str], None]) -> None:
    """Remove what measured; where that fails it is said, so that the reason of an error before is kept."""
    try:
        api.delete(path, uid=uid)
    except (NotFoundError, ConflictError):
        say(f"{path} has gone already")
    except ClusterError as error:
        say(f"{path} could not be removed: {error}; kubectl delete --raw {path} removes it")
