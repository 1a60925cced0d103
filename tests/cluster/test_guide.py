"""The deployment guide's three workflows on a cluster, from `discover` to `delete`."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from cluster_objects import node
from operator_stand_in import StandInOperator
from tour.pages import indented_commands_of

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "experiments" / "guide"
REVISION = "0123456789abcdef0123456789abcdef01234567"
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}


@pytest.fixture
def h100s(cluster, nodes):
    """Five nodes of H100 with RDMA, a token for Hugging Face and a filled model cache."""
    for index in range(5):
        nodes(node(f"{cluster.namespace}-{index}", allocatable={"rdma/ib": "8"}))
    cluster.kubectl("create", "secret", "generic", "hf-token-secret", "--from-literal=HF_TOKEN=hf_x")
    claim = {"metadata": {"name": "model-cache"}, "spec": {"accessModes": ["ReadWriteMany"],
             "resources": {"requests": {"storage": "1Ti"}}}}  # fmt: skip
    cluster.put(cluster.path("persistentvolumeclaims"), claim)
    cluster.set_status(cluster.path("persistentvolumeclaims", "model-cache"), {"phase": "Bound"})
    return cluster


def test_a_small_model_is_requested_deployed_and_removed(h100s, at):
    """Quick start: the request is the cluster's to answer."""
    with StandInOperator(h100s):
        deployed = at("deploy", GUIDE / "qwen-small.yaml", "--timeout", 60)
        assert deployed.status == 0, deployed.err
        assert "Deployed as dgd/qwen-small-dgd" in deployed.out
        assert at("delete", "qwen-small").status == 0
        h100s.kubectl("delete", "dgd", "qwen-small-dgd")
    assert h100s.kubectl("get", "dgd,dgdr", "-o", "name") == ""


def test_a_large_dense_model_is_sized_for_the_cluster_checked_and_deployed(h100s, at, simkit, tmp_path):
    """Hardware discovered, answer predicted here, its DGD reviewed, checked and deployed."""
    hardware, out = tmp_path / "hardware.yaml", tmp_path / "llama-70b"
    found = at("discover", "--total-gpus", 40, "-o", hardware)
    assert found.status == 0, found.err
    answer = simkit("recommend", GUIDE / "llama-70b.yaml", "--hardware", hardware, "-o", out, "--quiet")
    assert answer.status == 0, answer.err
    told = json.loads(at("check", out, "--format", "json").out)
    wrong = [one["subject"] for one in told["findings"] if one["level"] == "error"]
    assert "path of the weights" in wrong
    _refused_until_filled_in(h100s, at, out / "dgd.yaml")
    told = json.loads(at("check", out, "--format", "json").out)
    assert [one["subject"] for one in told["findings"] if one["level"] == "error"] == ["operator"]
    shown = at("deploy", out, "--diff")
    assert "+kind: DynamoGraphDeployment" in shown.out
    with StandInOperator(h100s):
        deployed = at("deploy", out, "--timeout", 60, "--format", "json")
        assert deployed.status == 0, deployed.err
        name = json.loads(deployed.out)["name"]
        assert "all pods are ready" in at("status", name).out
        assert at("delete", name).status == 0
    assert h100s.kubectl("get", "dgd", "-o", "name") == ""
    left = h100s.kubectl("get", "configmap", "-l", "app.kubernetes.io/managed-by=simkit", "-o", "name")
    assert left == ""


def _refused_until_filled_in(cluster, at, file):
    """By our command, and by the cluster's own check for those who apply it with kubectl."""
    assert "still to fill in: <commit-hash>" in at("deploy", file).err
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.kubectl("apply", "--dry-run=server", "-f", str(file))
    assert "simkit.io/model-revision" in refused.value.stderr or "metadata.labels" in refused.value.stderr
    file.write_text(file.read_text().replace("<commit-hash>", REVISION))
    cluster.kubectl("apply", "--dry-run=server", "-f", str(file))


def test_a_mixture_of_experts_waits_for_review_before_it_is_deployed(h100s, at, tmp_path):
    """autoApply: false stops at Ready; switching it on deploys."""
    request = yaml.safe_load((GUIDE / "deepseek-r1.yaml").read_text())
    request["spec"]["image"] = "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"
    file = tmp_path / "deepseek-r1.yaml"
    file.write_text(yaml.safe_dump(request))
    with StandInOperator(h100s):
        reviewed = at("deploy", file, "--timeout", 60)
        assert reviewed.status == 0, reviewed.err
        assert "selectedConfig" in reviewed.err
        request["spec"]["autoApply"] = True
        file.write_text(yaml.safe_dump(request))
        assert at("deploy", file, "--timeout", 60).status == 0
        removed = at("delete", "deepseek-r1")
        assert "dgd/deepseek-r1-dgd keeps serving" in removed.out


def test_the_commands_of_the_page_run_as_they_stand(h100s, at, simkit, tmp_path, monkeypatch):
    """In the page's order; the GPUs are named, as other tests' nodes may stand beside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request.yaml").write_text((GUIDE / "llama-70b.yaml").read_text())
    more = {"discover": ["--gpu", "h100_sxm", "--total-gpus", 40], "status": ["--timeout", 2]}
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    with StandInOperator(h100s):
        for _, verb, *words in indented_commands_of(page):
            if verb == "check":
                dgd = tmp_path / "out" / "dgd.yaml"
                dgd.write_text(dgd.read_text().replace("<commit-hash>", REVISION))
            done = (simkit if verb == "recommend" else at)(verb, *words, *more.get(verb, []))
            finds = verb == "check"  # there is no Deployment of an operator here
            assert done.status == (1 if finds else 0), (verb, words, done.err)
