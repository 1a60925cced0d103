"""`--config`: inline JSON, or a file of JSON or YAML; a whole DGDR or its spec."""

import json

import pytest

from simkit.core.errors import InputError
from simkit.formats.dgdr.read import as_dgdr, read_config_argument

SPEC = {
    "model": "ä/b",
    "workload": {"isl": 10, "requestRate": 1e-07},
    "autoApply": False,
    "image": "\U0001f600",
}


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_inline_and_in_a_file(tmp_path, indent):
    text = json.dumps(SPEC, indent=indent)
    path = tmp_path / "spec"
    path.write_text(text)
    assert read_config_argument(text) == SPEC
    assert read_config_argument(str(path)) == SPEC


def test_yaml_in_a_file(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("model: a/b\nworkload: {isl: 10}\n")
    assert read_config_argument(str(path)) == {"model": "a/b", "workload": {"isl": 10}}


@pytest.mark.parametrize(
    ("value", "mention"),
    [
        ("", "empty"),
        ("x" * 100_000, "neither a file nor JSON"),
        ("a\0b", "neither a file nor JSON"),
        ("{model: a}", "column 2"),
        ('{"a": "\\ud800"}', "--config"),
        ('{"a": "' + "x" * 6_000_000 + '"}', "5 MB"),
    ],
)
def test_what_cannot_be_read_is_named(value, mention):
    with pytest.raises(InputError, match=mention) as caught:
        read_config_argument(value)
    assert len(str(caught.value)) < 500


def test_a_spec_is_given_its_head():
    found = as_dgdr({"model": "a/b"}, "shop", "models")
    assert found["kind"] == "DynamoGraphDeploymentRequest"
    assert found["metadata"] == {"name": "shop", "namespace": "models"}
    assert found["spec"] == {"model": "a/b"}
    assert as_dgdr({"spec": {"model": "a/b"}}, "shop", None)["spec"] == {"model": "a/b"}


def test_a_whole_dgdr_keeps_its_own_name_and_version():
    given = {"apiVersion": "nvidia.com/v1", "kind": "X", "metadata": {"name": "own"}, "spec": {}}
    assert as_dgdr(given, "shop", None) == given
