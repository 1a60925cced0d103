"""What is shipped for running inside a cluster: a server takes it, and its paths and words are real."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "cluster"


@pytest.fixture(scope="module")
def rendered():
    done = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def test_a_server_takes_every_object(cluster, rendered):
    text = yaml.safe_dump_all(rendered).replace("team-a", cluster.namespace)
    place = ["kubectl", "--kubeconfig", str(cluster.server.kubeconfig("admin"))]
    command = [*place, "apply", "--dry-run=server", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "job.batch/simkit-profile created (server dry run)" in done.stdout


def test_the_service_account_has_the_roles_in_its_own_namespace(rendered):
    bound = {one["kind"]: one for one in rendered if one["kind"].endswith("Binding")}
    assert set(bound) == {"ClusterRoleBinding", "RoleBinding"}
    for one in bound.values():
        assert one["subjects"] == [{"kind": "ServiceAccount", "name": "simkit", "namespace": "team-a"}]


def test_the_jobs_words_are_those_of_the_command(rendered, simkit):
    job = next(one for one in rendered if one["kind"] == "Job")
    words = job["spec"]["template"]["spec"]["containers"][0]["args"]
    shown = simkit(words[0], "--help").out
    assert all(word in shown for word in words if word.startswith("-"))


def test_the_image_copies_what_is_there():
    text = (FOLDER / "Dockerfile").read_text()
    copied = [
        word for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    extras = re.search(r"\[([\w,]+)\]\"", text)[1].split(",")
    declared = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(extras) <= set(declared)
