"""Many objects watched: listed once however often the watch is cut; `simkit status` over all of them."""

import json
import threading
import time

import pytest
import yaml
from cluster_objects import GROUP
from deploy_samples import GOLDEN, REQUEST
from operator_stand_in import StandInOperator

from simkit.cluster.access import Access, connect
from simkit.cluster.failures import GoneError, UnreachableError
from simkit.cluster.kinds import OURS
from simkit.cluster.watching import Watching

COUNT = 20


@pytest.fixture
def many(cluster):
    """So many DGDs of ours, and where they are."""
    path = cluster.path("dynamographdeployments", base=GROUP)
    document = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": {}}
    for index in range(COUNT):
        cluster.put(path, {**document, "metadata": {"name": f"d{index}", "labels": dict(OURS)}})
    return path


def cutting(server, failures):
    """An API whose watches end in the next of these failures, each after one change; it counts its lists."""
    plain = connect(Access(kubeconfig=server.kubeconfig("admin")))
    lists = []

    class Cut(type(plain)):
        def get(self, path, query=None, accept="application/json"):
            lists.append(path)
            return super().get(path, query, accept)

        def watch(self, path, query, seconds):
            for found in super().watch(path, query, seconds):
                yield found
                if failures:
                    raise failures.pop(0)

    return Cut(client=plain.client, namespace=plain.namespace), lists


def touched(cluster, path, names):
    """A change of each, from beside."""

    def run():
        for number, name in enumerate(names):
            time.sleep(0.1)
            cluster.api.merge(f"{path}/{name}", {"metadata": {"annotations": {"n": str(number)}}})

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_watch_that_is_cut_goes_on_without_another_list(cluster, many, monkeypatch):
    monkeypatch.setattr("simkit.cluster.watching._PAUSE_S", 0.05)
    cuts = [UnreachableError("cut"), UnreachableError("cut"), UnreachableError("cut")]
    api, lists = cutting(cluster.server, cuts)
    watching = Watching(api, many)
    names = [f"d{index}" for index in range(6)]
    seen, thread = [], None
    for kind, one in watching.changes(10):
        seen.append((kind, one["metadata"]["name"]))
        if len(seen) == COUNT:
            thread = touched(cluster, many, names)
        if len(seen) == COUNT + len(names):
            break
    thread.join()
    assert sorted(name for kind, name in seen[:COUNT] if kind == "ADDED") == sorted(
        f"d{index}" for index in range(COUNT)
    )
    assert seen[COUNT:] == [("MODIFIED", name) for name in names], "nothing lost, nothing told twice"
    assert (watching.listed, len(lists), watching.cut) == (1, 1, 3)


def test_after_a_lost_place_what_has_gone_is_told(cluster, many, monkeypatch):
    monkeypatch.setattr("simkit.cluster.watching._PAUSE_S", 0.05)
    api, _ = cutting(cluster.server, [GoneError("too old resource version", 410)])
    watching, seen = Watching(api, many), []
    for kind, one in watching.changes(10):
        seen.append((kind, one["metadata"]["name"]))
        if len(seen) == COUNT:
            cluster.api.merge(f"{many}/d1", {"metadata": {"annotations": {"n": "1"}}})
            cluster.kubectl("delete", "dgd", "d0")
        if kind == "DELETED":
            break
    assert watching.listed in (1, 2)
    assert seen[-1] == ("DELETED", "d0")


def test_a_page_whose_place_is_lost_goes_on_where_the_server_says(cluster, many):
    plain = connect(Access(kubeconfig=cluster.server.kubeconfig("admin")))
    lost = []

    class Expired(type(plain)):
        def get(self, path, query=None, accept="application/json"):
            if query and query.get("continue") and not lost:
                lost.append(query["continue"])
                error = GoneError("the provided continue parameter is too old", 410)
                error.goes_on = query["continue"]
                raise error
            return super().get(path, query, accept)

    api = Expired(client=plain.client, namespace=plain.namespace)
    names = [one["metadata"]["name"] for one in api.items(many, {"limit": 7})]
    assert len(names) == len(set(names)) == COUNT
    assert lost


def test_all_that_is_ours_is_listed_and_watched(cluster, at, file):
    assert at("status").out.strip() == "nothing that simkit made is here"
    other = yaml.safe_load(GOLDEN.read_text())
    other["metadata"] = {"name": "theirs"}
    cluster.api.create(cluster.path("dynamographdeployments", base=GROUP), other)
    assert at("deploy", GOLDEN, "--no-wait").status == 0
    assert at("deploy", file(REQUEST), "--no-wait").status == 0
    rows = json.loads(at("status", "--format", "json").out)["objects"]
    assert [(one["kind"], one["name"]) for one in rows] == [("dgd", "demo-dgd"), ("dgdr", "qwen-small")]
    with StandInOperator(cluster):
        told = at("status", "--watch", "--timeout", 3)
    assert told.status == 0, told.err
    lines = told.out.splitlines()
    assert lines[0].startswith("dgd/demo-dgd waiting: ")
    assert lines[-1] == "dgd/demo-dgd ready: all pods are ready"
    assert not any("theirs" in line for line in lines)
    assert at("status", "demo-dgd", "--watch").status == 2
    assert at("status", "--kind", "dg").status == 2
