"""What would be sent, and what would change: `--dry-run` and `--diff` of every verb that creates anything."""

import json

import pytest
import yaml
from deploy_samples import GOLDEN, dgd_path
from operator_stand_in import StandInOperator
from test_profile import REQUEST

from simkit.measure.targets.k8s import TRIAL_LABEL

THOROUGH = {**REQUEST, "spec": {**REQUEST["spec"], "searchStrategy": "thorough"}}
WORDS = ("--client", "builtin", "--requests", 8)


@pytest.fixture
def request_file(cluster, tmp_path, monkeypatch):
    """A request in the test's namespace, whose cluster is the one that KUBECONFIG names."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.server.kubeconfig("admin")))

    def written(document=REQUEST):
        path = tmp_path / "request.yaml"
        named = {**document, "metadata": {"name": "small", "namespace": cluster.namespace}}
        path.write_text(yaml.safe_dump(named))
        return path

    return written


def test_a_profile_shows_every_candidate_and_creates_none(cluster, simkit, request_file, tmp_path):
    out = tmp_path / "out"
    words = ("profile", request_file(THOROUGH), "--target", "k8s", *WORDS, "-o", out, "--candidates", 2)
    shown = simkit(*words, "--dry-run", "client")
    assert shown.status == 0, shown.err
    documents = list(yaml.safe_load_all(shown.out))
    deployed = [line for line in shown.err.splitlines() if line.startswith("would deploy ")]
    assert len([one for one in documents if one["kind"] == "DynamoGraphDeployment"]) == len(deployed) >= 2
    assert {one["metadata"]["namespace"] for one in documents} == {cluster.namespace}
    assert all(TRIAL_LABEL in one["metadata"]["labels"] for one in documents)
    checked = simkit(*words, "--dry-run", "server", "--format", "json")
    assert checked.status == 0, checked.err
    told = json.loads(checked.out)
    assert {one["change"] for one in told["changes"]} == {"created"}
    assert [one["name"] for one in told["trials"]]
    limited = simkit(*words, "--dry-run", "client", "--max-gpus", 1)
    assert "left out: " in limited.err
    assert "the budget is 1" in limited.err
    assert cluster.kubectl("get", "dgd", "-o", "name") == ""
    assert not out.exists()


def test_a_profile_says_what_would_change_and_whose_it_is(cluster, simkit, request_file, tmp_path):
    words = ("profile", request_file(), "--target", "k8s", *WORDS, "-o", tmp_path / "out")
    shown = simkit(*words, "--diff")
    assert shown.status == 0, shown.err
    assert "+kind: DynamoGraphDeployment" in shown.out
    (document,) = [one for one in yaml.safe_load_all(simkit(*words, "--dry-run", "client").out)
                   if one["kind"] == "DynamoGraphDeployment"]  # fmt: skip
    cluster.api.apply(dgd_path(cluster, document["metadata"]["name"]), document)
    for more in (("--diff",), ()):
        found = simkit(*words, *more)  # a fresh folder is another profile
        assert found.status == 2
        assert "is of another profile" in found.err
    assert len(cluster.kubectl("get", "dgd", "-o", "name").splitlines()) == 1


def test_a_request_for_review_would_deploy_nothing(simkit, request_file, tmp_path):
    document = {**REQUEST, "spec": {**REQUEST["spec"], "autoApply": False}}
    words = ("profile", request_file(document), "--target", "k8s", *WORDS, "-o", tmp_path / "out")
    found = simkit(*words, "--dry-run", "client")
    assert (found.status, found.out) == (0, "")
    assert "autoApply is false" in found.err


def test_a_benchmark_shows_the_job_it_would_run(cluster, at, tmp_path):
    path = tmp_path / "dgd.yaml"
    path.write_text(GOLDEN.read_text().replace("org/model", "Qwen/Qwen3-8B"))
    load = ("--gpu", "h100_sxm", "--isl", 1000, "--osl", 100, "--concurrency", 8)
    words = ("benchmark", path, "--target", "k8s", *load, "-o", tmp_path / "run")
    shown = at(*words, "--dry-run", "client")
    assert shown.status == 0, shown.err
    assert yaml.safe_load(shown.out)["kind"] == "Job"
    assert at(*words, "--dry-run", "server").status == 3, "it is not on the cluster"
    with StandInOperator(cluster):
        assert at("deploy", path, "--timeout", 60).status == 0
    assert at(*words, "--dry-run", "server").status == 0
    assert cluster.kubectl("get", "jobs", "-o", "name") == ""
    assert not (tmp_path / "run").exists()
    found = at("benchmark", path, "--url", "http://x", "--dry-run", "client", *load)
    assert (found.status, found.out.split()[:2]) == (0, ["aiperf", "profile"])


def test_the_contexts_namespace_is_that_of_a_client_dry_run(cluster, simkit, tmp_path):
    config = yaml.safe_load(cluster.server.kubeconfig("admin").read_text())
    config["contexts"][0]["context"]["namespace"] = "team-a"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    shown = simkit("deploy", GOLDEN, "--dry-run", "client", "--kubeconfig", path)
    assert yaml.safe_load(shown.out)["metadata"]["namespace"] == "team-a"
