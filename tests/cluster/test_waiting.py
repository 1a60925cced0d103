"""What clusters do to those who deploy and wait: servers that die, lost places, quotas, webhooks, others."""

import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from cluster_objects import CORE, GROUP, admission_server
from deploy_samples import GOLDEN, NOBODY, REQUEST, ROOT, UNSCHEDULABLE, dgd_path, dgdr_path
from operator_stand_in import StandInOperator

from simkit.cluster.access import Access, connect
from simkit.cluster.apply import apply_all
from simkit.cluster.documents import bundle_of
from simkit.cluster.failures import GoneError
from simkit.cluster.follow import Followed, follow
from simkit.cluster.kinds import DGD
from simkit.core.errors import ExternalError


@pytest.fixture
def waiting(cluster):
    """A DGD that is followed in a thread: what was said, and how it ended."""
    api = connect(Access(kubeconfig=cluster.server.kubeconfig("admin"), request_s=5))

    def start(api=api, timeout_s=60):
        bundle = bundle_of([yaml.safe_load(GOLDEN.read_text())], "f", cluster.namespace, "default")
        (made,) = apply_all(cluster.api, bundle)
        one = Followed(api=api, kind=DGD, name="demo-dgd", namespace=cluster.namespace,
                       uid=made.after["metadata"]["uid"])  # fmt: skip
        lines, result = [], []

        def run():
            try:
                result.append(follow(one, timeout_s, lines.append)[1].verdict)
            except ExternalError as error:
                result.append(str(error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return lines, result, thread

    return start


def test_an_object_that_somebody_deletes_ends_the_wait(cluster, waiting):
    _, result, thread = waiting()
    time.sleep(0.5)
    cluster.kubectl("delete", "dgd", "demo-dgd")
    thread.join(10)
    assert "somebody else deleted it" in result[0]


def test_a_server_that_dies_and_comes_back_is_waited_for(cluster, waiting):
    other = cluster.server.beside()
    try:
        api = connect(Access(kubeconfig=other.kubeconfig("admin"), request_s=5))
        lines, result, thread = waiting(api)
        time.sleep(0.5)
        other.kill_apiserver()
        time.sleep(2)
        with StandInOperator(cluster):
            other.start_apiserver()
            thread.join(30)
        assert result == ["ready"]
        assert any("waiting for the API server" in line for line in lines)
    finally:
        other.stop()


def test_a_watch_whose_place_is_lost_begins_again(cluster, waiting):
    """410: the history before the resource version is gone."""
    api = connect(Access(kubeconfig=cluster.server.kubeconfig("admin")))
    cut = []

    class Cut(type(api)):
        def watch(self, path, query, seconds):
            if not cut:
                cut.append(query["resourceVersion"])
                raise GoneError("too old resource version: 1 (2)", 410)
            return super().watch(path, query, seconds)

    _, result, thread = waiting(Cut(client=api.client, namespace=api.namespace))
    with StandInOperator(cluster):
        thread.join(20)
    assert result == ["ready"]
    assert cut


def test_a_real_server_says_410_for_a_place_that_is_gone(cluster):
    with pytest.raises(GoneError):
        list(
            cluster.api.watch(cluster.path("dynamographdeployments", base=GROUP), {"resourceVersion": "1"}, 2)
        )


def test_a_missing_right_and_an_expired_token_end_at_once(cluster, at):
    found = at("deploy", GOLDEN, "--no-wait", user="stranger")
    assert found.status == 3
    assert "forbidden" in found.err
    assert "deploy/cluster/rbac.yaml" in found.err


def test_a_missing_namespace_and_one_that_ends_are_named(cluster, at):
    found = at("deploy", GOLDEN, "--no-wait", namespace="nobody-made-this")
    assert found.status == 2
    assert "kubectl create namespace nobody-made-this" in found.err


def test_a_namespace_that_is_being_deleted_takes_nothing(cluster, at):
    ending = f"{cluster.namespace}-ending"
    made = cluster.put(
        f"{CORE}/namespaces", {"metadata": {"name": ending, "finalizers": ["example.com/held"]}}
    )
    cluster.api.delete(f"{CORE}/namespaces/{ending}", uid=made["metadata"]["uid"])
    found = at("deploy", GOLDEN, "--no-wait", namespace=ending)
    assert found.status == 3
    assert "the namespace is being deleted" in found.err
    cluster.api.merge(f"{CORE}/namespaces/{ending}", {"metadata": {"finalizers": None}})


@pytest.fixture
def webhook(cluster):
    """An admission webhook on DGDs of the namespace, with an answer of its own, or none at all."""
    with admission_server(cluster.server.folder) as (url, ca, answer):

        def install(denial=None, *, dead=False):
            answer["message"] = denial
            rule = {"apiGroups": ["nvidia.com"], "apiVersions": ["*"], "operations": ["*"],
                    "resources": ["dynamographdeployments"]}  # fmt: skip
            hook = {"name": "vdgd.nvidia.com", "rules": [rule], "sideEffects": "None",
                    "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
                    "namespaceSelector": {"matchLabels": {"hooked": cluster.namespace}},
                    "clientConfig": {"url": NOBODY if dead else url, "caBundle": ca}}  # fmt: skip
            labels = {"metadata": {"labels": {"hooked": cluster.namespace}}}
            cluster.api.merge(f"{CORE}/namespaces/{cluster.namespace}", labels)
            path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
            cluster.put(path, {"metadata": {"name": cluster.namespace}, "webhooks": [hook]})
            time.sleep(1.5)  # until the server has seen it

        yield install


def test_a_webhook_that_refuses_is_quoted(webhook, at):
    webhook("spec.components[1].replicas: must not be odd")
    found = at("deploy", GOLDEN, "--no-wait")
    assert found.status == 2
    assert "must not be odd" in found.err


def test_a_webhook_that_does_not_answer_points_to_the_operator(webhook, at):
    webhook(dead=True)
    found = at("deploy", GOLDEN, "--no-wait")
    assert found.status == 3
    assert "failed calling webhook" in found.err
    assert "simkit check looks at the operator" in found.err


def test_a_quota_that_is_used_up_is_named(cluster, at, file):
    quota = {"count/dynamographdeployments.nvidia.com": "0"}
    cluster.put(cluster.path("resourcequotas"), {"metadata": {"name": "none"}, "spec": {"hard": quota}})
    cluster.set_status(cluster.path("resourcequotas", "none"), {"hard": quota, "used": quota})
    found = at("deploy", file(), "--no-wait")
    assert found.status == 3
    assert "exceeded quota" in found.err
    assert "kubectl describe resourcequota" in found.err


def test_what_the_server_refuses_is_bad_input(cluster, at, file):
    found = at("deploy", file(backendFramework="vlm"), "--no-wait")
    assert found.status == 2
    assert "backendFramework" in found.err


def test_a_finalizer_that_nobody_serves_is_named(cluster, at, file):
    assert at("deploy", file(), "--no-wait").status == 0
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": ["nvidia.com/finalizer"]}})
    found = at("delete", "demo-dgd", "--timeout", 1)
    assert found.status == 3
    assert "held by nvidia.com/finalizer" in found.err
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": None}})


def test_an_interrupt_says_what_stays(cluster):
    command = [sys.executable, "-m", "simkit", "deploy", str(GOLDEN), "--namespace", cluster.namespace,
               "--kubeconfig", str(cluster.server.kubeconfig("admin"))]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        told = process.stderr.readline() + process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert "dgd/demo-dgd created" in told
    assert process.returncode == 128 + signal.SIGTERM
    assert f"simkit delete demo-dgd --namespace {cluster.namespace} removes it" in rest
    assert cluster.kubectl("get", "dgd", "-o", "name").endswith("demo-dgd")


def test_the_profiling_pod_says_why_it_does_not_run(cluster, at, file):
    job = {"metadata": {"name": "profile-aic-x-1", "labels": {"job-name": "profile-aic-x"}},
           "spec": {"containers": [{"name": "profiler", "image": "x"}]}, "status": UNSCHEDULABLE}  # fmt: skip
    cluster.put(cluster.path("pods"), job)
    assert at("deploy", file(REQUEST), "--no-wait").status == 0
    cluster.set_status(dgdr_path(cluster), {"phase": "Profiling", "profilingJobName": "profile-aic-x"})
    found = at("deploy", file(REQUEST), "--timeout", 2)
    assert found.status == 3
    assert "profiling pod profile-aic-x-1: cannot be scheduled" in found.err
    assert "profile-aic-x-1: cannot be scheduled" in at("status", "qwen-small").out
