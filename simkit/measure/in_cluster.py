"""A deployment measured from inside its cluster: AIPerf as a Job, its result fetched and compared here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from simkit.cluster.api import Api, Document
from simkit.cluster.follow import Followed, pod_states
from simkit.cluster.jobs import MeasuringJob, run_job
from simkit.cluster.kinds import DGD, object_words, path_of
from simkit.cluster.standing import standing
from simkit.cluster.wanted import HF_SECRET
from simkit.core.errors import ExternalError
from simkit.core.measured import Run
from simkit.formats.aiperf_command import profile_command
from simkit.formats.aiperf_job import IMAGE
from simkit.formats.benchmark_results.aiperf import EXPORT
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.faults import lookup
from simkit.io.yamlio import write_text_atomic
from simkit.measure.benchmark import BenchmarkOutcome, Prediction, compared
from simkit.measure.run import Meter

Say = Callable[[str], None]

_PORT, _ARTIFACTS, _MODEL_S = 8000, "artifacts", 600
PLANNER_ON = "a Planner scales this deployment: what is measured is not the deployment that was predicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCluster:
    """A DGD that serves. namespace: its own; image: AIPerf's, pinned."""

    api: Api
    name: str
    namespace: str
    image: str = IMAGE

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
    text = run_job(where.api, measuring_job(where, prediction, meter), say)
    export = folder / _ARTIFACTS / EXPORT
    write_text_atomic(export, text)
    run = read_run(export.parent)
    noted = replace(run, notes=(*run.notes, PLANNER_ON)) if planner_is_on(document) else run
    return _checked(compared(noted, folder, prediction=prediction, limits=limits), meter, where)


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
        image=where.image,
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
