"""Fixtures around a real API server: one for the session, a namespace for each test."""

import copy
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
sys.path.insert(0, str(HERE))

from cluster_objects import CRDS, NODES, Cluster  # noqa: E402
from deploy_samples import GOLDEN  # noqa: E402
from server import UnavailableError, shared  # noqa: E402

_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items):
    for item in items:
        if "k8s" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
            item.add_marker("server")


@pytest.fixture(scope="session")
def k8s(tmp_path_factory):
    """The session's API server, with Dynamo's kinds. Without one: a failure in CI, a skip elsewhere."""
    base = tmp_path_factory.getbasetemp()
    worker = "PYTEST_XDIST_WORKER" in os.environ
    try:
        server = shared(base.parent if worker else base, os.getppid() if worker else os.getpid())
    except (UnavailableError, OSError, subprocess.SubprocessError) as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no API server: {reason}")
        pytest.skip(f"no API server: {reason}")
    Cluster(server, "default").install(CRDS)
    return server


@pytest.fixture
def cluster(k8s):
    """A namespace of its own, and ways to put objects there as an administrator."""
    name = f"t-{os.getpid()}-{next(_NUMBERS)}"
    found = Cluster(k8s, name)
    found.create_namespace()
    yield found
    found.clean()


@pytest.fixture
def nodes(cluster):
    """The only test with nodes just now, as nodes belong to no namespace; gives a way to add some."""
    with FileLock(cluster.server.folder / "nodes.lock"):
        added = []

        def add(*documents):
            added.extend(cluster.api.create(NODES, one) for one in documents)

        yield add
        for one in added:
            cluster.api.delete(f"{NODES}/{one['metadata']['name']}", uid=one["metadata"]["uid"])


@pytest.fixture
def at(cluster, simkit):
    """The command line against the test's namespace: `at("discover")`; user says as whom."""

    def run(*words, user="admin", namespace=cluster.namespace):
        place = ["--kubeconfig", cluster.server.kubeconfig(user), "--namespace", namespace]
        return simkit(*words, *place)

    return run


@pytest.fixture
def bound(cluster):
    """The user `simkit` with exactly the rights of the manifest."""
    for role in yaml.safe_load_all((ROOT / "deploy" / "cluster" / "rbac.yaml").read_text()):
        cluster.api.apply(f"{RBAC}/clusterroles/{role['metadata']['name']}", role, force=True)
    user = {"kind": "User", "name": "simkit", "apiGroup": "rbac.authorization.k8s.io"}

    def bind(path, role):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        cluster.put(path, {"metadata": {"name": f"{role}-{cluster.namespace}"}, "roleRef": reference,
                           "subjects": [user]})  # fmt: skip

    bind(f"{RBAC}/clusterrolebindings", "simkit-cluster")
    bind(cluster.path("rolebindings", base=RBAC), "simkit-namespace")
    cluster.kubectl("create", "secret", "generic", "hf-token-secret", "--from-literal=HF_TOKEN=hf_x")
    return cluster


@pytest.fixture
def file(tmp_path):
    """A DGD in a file; changes are made to its document first."""

    def written(document=None, **changes):
        document = copy.deepcopy(document) if document else yaml.safe_load(GOLDEN.read_text())
        document["spec"].update(changes)
        path = tmp_path / "document.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    return written
