"""A deployment measured from inside its cluster by AIPerf, its result fetched and compared here.

By AIPerf's operator where it is, else as a plain Job.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from simkit.cluster.aiperf_operator import finished_job, has_aiperf_operator, jobs_path, labelled
from simkit.cluster.api import Api, Document
from simkit.cluster.follow import Followed, pod_states
from simkit.cluster.jobs import MeasuringJob, manifest, run_job
from simkit.cluster.kinds import DGD, object_words, path_of
from simkit.cluster.standing import standing
from simkit.cluster.wanted import HF_SECRET
from simkit.core.errors import ExternalError
from simkit.core.measured import Run
from simkit.formats.aiperf_command import profile_command
from simkit.formats.aiperf_job import IMAGE, job_of_request
from simkit.formats.benchmark_results.aiperf import EXPORT
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.faults import lookup
from simkit.io.tools import AIPERF, require_tool
from simkit.io.yamlio import write_text_atomic
from simkit.measure.benchmark import BenchmarkOutcome, Prediction, compared
from simkit.measure.run import Meter

Say = Callable[[str], None]

_PORT, _ARTIFACTS, _MODEL_S, _FETCH_S = 8000, "artifacts", 600, 600
PLANNER_ON = "a Planner scales this deployment: what is measured is not the deployment that was predicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCluster:
    """A DGD that serves. namespace: its own.

    image: of AIPerf, for a plain Job; None: AIPerf's operator where it is, else a pinned image.
    kube: words by which AIPerf finds the cluster.
    """

    api: Api
    name: str
    namespace: str
    image: str | None = None
    kube: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The frontend's address inside the cluster."""
        return f"http://{self.name}-frontend.{self.namespace}.svc:{_PORT}"


def benchmark_in_cluster(
    where: OnCluster,
    prediction: Prediction,
    meter: Meter,
    folder: Path,
    *,
    limits: Mapping[str, float],
    say: Say,
) -> BenchmarkOutcome:
    """Measure with the workload that was predicted, store the run in `folder`, compare.

    Raises ExternalError where the deployment is not there or not ready, or the Job fails.
    """
    document = serving(where)
    if planner_is_on(document):
        say(f"warning: {PLANNER_ON}")
    run = _measured(where, prediction, meter, folder / _ARTIFACTS, say)
    noted = replace(run, notes=(*run.notes, PLANNER_ON)) if planner_is_on(document) else run
    return _checked(compared(noted, folder, prediction=prediction, limits=limits), meter, where)


def rehearsed_job(where: OnCluster, prediction: Prediction, meter: Meter, *, check: bool) -> Document:
    """The Job or AIPerfJob that would measure; check: the cluster looks at it in a dry run.

    Raises RefusedError and the like where the cluster does not take it.
    """
    if where.image is None and has_aiperf_operator(where.api):
        document, path = _aiperf_job(where, prediction, meter), jobs_path(where.namespace)
    else:
        document, path = manifest(measuring_job(where, prediction, meter)), path_of("Job", where.namespace)
    if check:
        serving(where)
        where.api.create(path, document, dry_run=True)
    return document


def _aiperf_job(where: OnCluster, prediction: Prediction, meter: Meter) -> Document:
    request = prediction.problem.request
    described = job_of_request(request, prediction.workload, meter.options, where.name, "")
    return labelled(described, (where.namespace, where.name))


def _measured(where: OnCluster, prediction: Prediction, meter: Meter, artifacts: Path, say: Say) -> Run:
    if where.image is None and has_aiperf_operator(where.api):
        return _by_operator(where, prediction, meter, artifacts, say)
    write_text_atomic(artifacts / EXPORT, run_job(where.api, measuring_job(where, prediction, meter), say))
    return read_run(artifacts)


def _by_operator(where: OnCluster, prediction: Prediction, meter: Meter, artifacts: Path, say: Say) -> Run:
    """AIPerf's operator keeps results on a volume of its own; its command fetches them."""
    program = require_tool(AIPERF, meter.aiperf)
    document, patience = _aiperf_job(where, prediction, meter), meter.patience.timeout_s
    with finished_job(where.api, document, where.namespace, patience, say) as name:
        words = [str(program), "kube", "results", name, "--namespace", where.namespace, *where.kube]
        _fetch([*words, "--output", str(artifacts)], name)
    return read_run(artifacts)


def _fetch(words: list[str], job: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 (the words are ours)
            words, capture_output=True, text=True, check=False, timeout=_FETCH_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExternalError(f"aiperfjob/{job}: its results cannot be fetched ({error}); try again") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        raise ExternalError(
            f"aiperfjob/{job}: its results cannot be fetched ({said}); see aiperf kube results"
        )


def measuring_job(where: OnCluster, prediction: Prediction, meter: Meter) -> MeasuringJob:
    """AIPerf with the workload of the prediction, as a Job."""
    slo, model = prediction.problem.request.slo, prediction.problem.request.model
    options = replace(meter.options, artifact_dir=_ARTIFACTS)
    words = profile_command(
        prediction.workload, model=model, url=where.url, slo=slo if slo.bounds else None, options=options
    )
    return MeasuringJob(
        command=(*words, "--wait-for-model-timeout", str(_MODEL_S)),
        result=f"{_ARTIFACTS}/{EXPORT}",
        image=where.image or IMAGE,
        deployment=where.name,
        namespace=where.namespace,
        timeout_s=meter.patience.timeout_s,
        token_secret=HF_SECRET,
    )


def serving(where: OnCluster) -> Document:
    """The DGD, ready to be measured. Raises ExternalError where it is not."""
    words = object_words(DGD, where.name, where.namespace)
    found = where.api.find(path_of(DGD, where.namespace, where.name))
    if found is None:
        raise ExternalError(f"{words}: is not on the cluster; simkit deploy brings it up")
    one = Followed(
        api=where.api, kind=DGD, name=where.name, namespace=where.namespace, uid=found["metadata"]["uid"]
    )
    now = standing(found)
    waiting = [f"pod {pod.name}: {pod.reason}" for pod in pod_states(one, found) if not pod.ready]
    if now.verdict != "ready" or waiting:
        why = waiting[0] if waiting else now.words
        raise ExternalError(f"{words}: not ready ({why}); simkit status {where.name} says more")
    return found


def planner_is_on(dgd: Mapping[str, object]) -> bool:
    """Whether the deployment holds a Planner, which changes replicas under load."""
    components = lookup(dgd, "spec.components") or ()
    return any(one.get("type") == "planner" for one in components)


def _checked(outcome: BenchmarkOutcome, meter: Meter, where: OnCluster) -> BenchmarkOutcome:
    run: Run = outcome.run
    if run.error_frac > meter.max_error_frac or not run.complete:
        failed = f"{run.num_errors} of {run.num_requests + run.num_errors} requests failed"
        raise ExternalError(f"{where.url}: {failed}; simkit status {where.name} says how its pods are")
    return outcome
