"""Documents that belong together must agree: a deployment, its Planner's settings, its request."""

import json
import sys
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.formats import kubernetes
from simkit.formats.dgdr.read import read_document
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import load_documents

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd"
GUIDE = ROOT / "experiments" / "guide"


def planner_documents(**changes):
    """A deployment of 3 x 2 prefill and 1 x 4 decode GPUs with its Planner's settings changed."""
    documents = load_documents(GOLDEN / "vllm-disagg-features.yaml")
    config = json.loads(documents[0]["data"]["planner_config.json"])
    documents[0]["data"]["planner_config.json"] = json.dumps({**config, **changes})
    return documents


@pytest.mark.parametrize(
    ("changes", "path", "problem"),
    [
        ({"max_gpu_budget": 9}, "max_gpu_budget", "is 9, but the workers take 10 GPUs from the start"),
        ({"prefill_engine_num_gpu": 8}, "prefill_engine_num_gpu", "an engine of 'prefill' has 2 GPUs"),
        ({"backend": "sglang"}, "backend", "is 'sglang', but 'prefill' runs vllm"),
    ],
)
def test_a_planner_that_contradicts_the_deployment_is_a_fault(changes, path, problem):
    assert validate_documents(planner_documents(), "f") == []
    assert validate_documents(planner_documents(max_gpu_budget=-1), "f") == []
    faults = validate_documents(planner_documents(**changes), "f")
    assert faults[0].path == f"[0].data.planner_config.json.{path}"
    assert problem in faults[0].problem


@pytest.mark.parametrize(("text", "problem"), [("{", "not valid JSON"), ("[]", "is not a JSON object")])
def test_a_planner_config_must_be_a_json_object(text, problem):
    documents = planner_documents()
    documents[0]["data"]["planner_config.json"] = text
    (fault,) = validate_documents(documents, "f")
    assert problem in fault.problem


def test_a_deployment_beyond_the_requests_gpus_is_a_fault():
    request = read_document(GUIDE / "deepseek-r1.yaml")
    request["spec"]["hardware"]["totalGpus"] = 9
    (fault,) = validate_documents([request, *planner_documents()], "f")
    assert (fault.path, fault.problem) == (
        "[2].spec",
        "the components take 10 GPUs, but the request beside allows 9",
    )


def test_several_documents_are_told_apart():
    documents = load_documents(GOLDEN / "vllm-disagg-features.yaml")
    documents[0]["data"]["more"] = 5
    documents[1]["spec"]["x"] = 1
    paths = [fault.path for fault in validate_documents(documents, "f")]
    assert paths == ["[0].data.more", "[1].spec.x"]


def test_without_the_extra_the_remedy_is_told(monkeypatch):
    kubernetes._validator.cache_clear()
    monkeypatch.setitem(sys.modules, "kubernetes_validate", None)
    monkeypatch.setitem(sys.modules, "kubernetes_validate.utils", None)
    with pytest.raises(InputError, match=r'package kubernetes_validate.* "dynamo-simkit\[validate\]"'):
        kubernetes.schema_faults("Container", {"name": "main"}, "spec")


def test_the_envelope_of_v1beta2_is_refused_by_name():
    request = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "x"},
        "spec": {"v1beta2": {"modelRef": {"name": "a"}}},
    }
    (fault,) = validate_documents([request], "x")
    assert fault.path == "spec.v1beta2"
    assert "v1beta1" in fault.remedy
