"""The rights of deploy/cluster/rbac.yaml are enough for every command, and each of them is needed."""

import subprocess
from pathlib import Path

import yaml
from cluster_objects import node
from operator_stand_in import StandInOperator

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd" / "vllm-disagg.yaml"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def test_every_command_works_with_exactly_these_rights(bound, nodes, at, tmp_path):
    nodes(node(f"{bound.namespace}-0"), node(f"{bound.namespace}-1"))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planner"}, "data": {"a": "1"}}
    file = tmp_path / "dgd.yaml"
    file.write_text(yaml.safe_dump_all([config, yaml.safe_load(GOLDEN.read_text())]))
    assert "16 GPUs of this kind (cluster), 16 free now" in at("discover", user="simkit").err
    looked = at("check", file, user="simkit")
    assert "cannot be looked at" not in looked.out
    assert "all that deploy, status and delete take" in looked.out
    with StandInOperator(bound):
        deployed = at("deploy", file, "--timeout", 60, user="simkit")
        assert deployed.status == 0, deployed.err
        assert at("deploy", file, "--diff", user="simkit").status == 0
        assert at("status", "demo-dgd", user="simkit").status == 0
        removed = at("delete", "demo-dgd", "--with-storage", user="simkit")
        assert removed.status == 0, removed.err
    assert bound.kubectl("get", "dgd,configmap", "-o", "name").split() in ([], ["configmap/kube-root-ca.crt"])


def test_these_rights_reach_no_other_secret_and_no_other_namespace(bound, at):
    may = ["auth", "can-i", "--as", "simkit"]

    def can(*words):
        try:
            return bound.kubectl(*may, *words) == "yes"
        except subprocess.CalledProcessError as answer:  # kubectl ends with 1 for no
            assert answer.stdout.startswith("no"), answer.stderr
            return False

    assert can("get", "secrets/hf-token-secret")
    assert not can("get", "secrets/other")
    assert not can("list", "secrets")
    assert not can("delete", "pods")
    assert at("deploy", GOLDEN, "--no-wait", user="simkit", namespace="default").status == 3
