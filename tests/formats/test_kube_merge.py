"""Merging partial documents by the schema's rules."""

import copy

import pytest

from simkit.core.errors import InputError
from simkit.formats.kubernetes import LIST_KEYS, merge

BASE = {
    "replicas": 1,
    "template": {
        "spec": {
            "tolerations": [{"key": "a"}, {"key": "b"}],
            "containers": [
                {
                    "name": "main",
                    "args": ["--x", "1"],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                }
            ],
        }
    },
}


def merged(change, base=BASE):
    before = copy.deepcopy((base, change))
    result = merge(base, change, "o")
    assert (base, change) == before, "inputs are left alone"
    return result


def main(document):
    return document["template"]["spec"]["containers"][0]


def container(**fields):
    return {"template": {"spec": {"containers": [{"name": "main", **fields}]}}}


def test_nothing_changes_nothing():
    assert merged({}) == BASE
    assert merged({"template": {"spec": {"containers": []}}}) == BASE


def test_maps_merge_and_scalars_replace():
    result = merged({"replicas": 3, "template": {"metadata": {"labels": {"a": "b"}}}})
    assert result["replicas"] == 3
    assert result["template"] == {**BASE["template"], "metadata": {"labels": {"a": "b"}}}


def test_keyed_lists_merge_entry_by_entry_and_keep_their_order():
    result = merged(container(env=[{"name": "C", "value": "3"}, {"name": "A", "value": "9"}]))
    assert main(result)["env"] == [
        {"name": "A", "value": "9"},
        {"name": "B", "value": "2"},
        {"name": "C", "value": "3"},
    ]
    assert main(result)["args"] == ["--x", "1"]


def test_mounts_are_told_apart_by_path_and_ports_by_number_and_protocol():
    result = main(
        merged(
            container(
                volumeMounts=[{"name": "w", "mountPath": "/v"}, {"name": "v", "mountPath": "/w"}],
                ports=[{"containerPort": 80, "hostPort": 1}, {"containerPort": 80, "protocol": "UDP"}],
            )
        )
    )
    assert [item["name"] for item in result["volumeMounts"]] == ["w", "v"]
    assert result["ports"] == [
        {"name": "http", "containerPort": 80, "protocol": "TCP", "hostPort": 1},
        {"containerPort": 80, "protocol": "UDP"},
    ]


def test_atomic_lists_are_replaced():
    result = merged({"template": {"spec": {"tolerations": [{"key": "c"}]}}})
    assert result["template"]["spec"]["tolerations"] == [{"key": "c"}]
    assert main(merged(container(args=["--y"])))["args"] == ["--y"]


def test_new_entries_go_to_the_end():
    result = merged({"template": {"spec": {"containers": [{"name": "sidecar", "image": "i"}]}}})
    assert [item["name"] for item in result["template"]["spec"]["containers"]] == ["main", "sidecar"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"replicas": None}, "o.replicas: null removes nothing"),
        (container(args=[None]), r"containers\[0\].args\[0\]: null"),
        (container(env=[{"value": "1"}]), r"env\[0\]: entries are told apart by name"),
        (container(env=[{"name": "A"}, {"name": "A"}]), "A is given twice"),
        (container(env={"A": "1"}), "expected a list, got dict"),
        ({"template": []}, "o.template: expected a mapping, got list"),
        ({"template": {"spec": {"containers": ["main"]}}}, "entries are told apart by name"),
    ],
)
def test_what_cannot_be_merged_says_where_and_why(change, expected):
    with pytest.raises(InputError, match=expected):
        merged(change)


# Dynamo's own lists; Kubernetes' schema knows nothing of them.
DYNAMO = {"components", "envs", "roles"}


def test_list_keys_are_those_of_kubernetes_own_schema():
    from kubernetes_validate.utils import schema_contents

    from simkit.formats.kubernetes import KUBERNETES

    text = f"kubernetes-json-schema/v{KUBERNETES}-local-strict/_definitions.json"
    definitions = schema_contents(text, KUBERNETES)["$defs"]
    found = {}
    for kind in ("PodSpec", "Container", "ResourceRequirements"):
        for name, field in definitions[f"io.k8s.api.core.v1.{kind}"]["properties"].items():
            if field.get("x-kubernetes-list-type") == "map":
                found[name] = tuple(field["x-kubernetes-list-map-keys"])
    found.pop("ephemeralContainers")  # cannot be set in a template
    assert found == {name: keys for name, keys in LIST_KEYS.items() if name not in DYNAMO}
