"""`--set path=value`: single fields of a request changed and checked."""

import copy
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.core.slo import Slo
from simkit.formats.dgdr.read import apply_overrides, parse_setting, read_request, set_path

GUIDE = Path(__file__).resolve().parents[3] / "experiments" / "guide"
DOCUMENT = {"kind": "DynamoGraphDeploymentRequest", "spec": {"model": "Qwen/Qwen3-32B", "sla": {"ttft": 250}}}


def test_set_path_leaves_the_original_alone():
    before = copy.deepcopy(DOCUMENT)
    document = set_path(DOCUMENT, "sla.ttft", 300)
    assert document["spec"]["sla"]["ttft"] == 300
    assert set_path({}, "spec.workload.isl", 5) == {"spec": {"workload": {"isl": 5}}}
    assert before == DOCUMENT


@pytest.mark.parametrize(
    ("path", "expected"),
    [("model.name", "spec.model is a value and holds no keys"), ("sla..ttft", "empty key in the path")],
)
def test_set_path_refuses(path, expected):
    with pytest.raises(InputError, match=expected):
        set_path(DOCUMENT, path, 1)


def test_settings_are_read_as_yaml():
    assert parse_setting("sla.ttft=300") == ("sla.ttft", 300)
    assert parse_setting("image=a/b:1=2") == ("image", "a/b:1=2")
    with pytest.raises(InputError, match="expected path=value"):
        parse_setting("sla.ttft")


def test_overrides_change_and_check_a_request():
    request = read_request(GUIDE / "qwen-small.yaml")
    changed_request = apply_overrides(request, {"sla.e2eLatency": 3000, "workload.isl": 128})
    assert changed_request.slo == Slo(e2e_s=3.0)
    assert changed_request.workload.isl_tokens == 128
    assert changed_request.warnings == ()
    with pytest.raises(InputError, match="did you mean sla"):
        apply_overrides(request, {"slas.ttft": 300})
