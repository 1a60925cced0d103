"""The request's own changes to what is rendered: merged, replaced, refused."""

import pytest

from simkit.core.errors import InputError

from .dynamo_cases import MODEL, agg, components, disagg, documents, main, override, request


def test_overrides_merge_maps_replace_lists_and_match_by_name():
    container = {
        "name": "main",
        "env": [{"name": "A", "value": "1"}],
        "resources": {"limits": {"rdma/ib": "1"}},
    }
    change = override(
        {
            "priorityClassName": "high",
            "components": [
                {"name": "worker", "replicas": 5, "podTemplate": {"spec": {"containers": [container]}}}
            ],
        },
        name="chosen",
        labels={"team": "a"},
        annotations={"note": "b"},
        uid="ignored",
    )
    dgd = documents(agg("vllm"), request(dgd_override=change))[-1]
    worker = dgd["spec"]["components"][1]
    assert worker["replicas"] == 5
    assert main(worker)["env"] == [{"name": "A", "value": "1"}]
    assert main(worker)["resources"]["limits"] == {"nvidia.com/gpu": "1", "rdma/ib": "1"}
    assert main(worker)["args"][:2] == ["--model", MODEL]
    assert dgd["spec"]["priorityClassName"] == "high"
    assert dgd["metadata"]["name"] == "chosen"
    assert dgd["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "simkit", "team": "a"}
    assert dgd["metadata"]["annotations"]["note"] == "b"
    assert "uid" not in dgd["metadata"]


def test_a_v1beta1_override_replaces_arguments():
    container = {"name": "main", "args": ["--model", MODEL, "--max-model-len", "8192"]}
    change = override(
        {"components": [{"name": "worker", "podTemplate": {"spec": {"containers": [container]}}}]}
    )
    worker = components(agg("vllm"), request(dgd_override=change))["worker"]
    assert main(worker)["args"] == container["args"]


def test_a_v1alpha1_override_appends_arguments_and_knows_old_names():
    service = {
        "replicas": 4,
        "resources": {"limits": {"gpu": "1", "custom": {"rdma/ib": "2"}}},
        "extraPodSpec": {"mainContainer": {"args": ["--max-model-len", "8192"]}},
    }
    change = override({"services": {"VllmDecodeWorker": service}}, version="v1alpha1")
    decode = components(disagg("vllm"), request(dgd_override=change))["decode"]
    assert decode["replicas"] == 4
    assert main(decode)["args"][-2:] == ["--max-model-len", "8192"]
    assert main(decode)["args"][:2] == ["--model", MODEL]
    assert main(decode)["resources"]["limits"]["rdma/ib"] == "2"


@pytest.mark.parametrize(
    ("spec", "version", "expected"),
    [
        ({"components": [{"name": "wrker"}]}, "v1beta1", "'wrker' is not generated; did you mean worker"),
        ({"components": [{"replicas": 1}]}, "v1beta1", "a component has no name"),
        ({"components": [{"name": "worker", "type": "decode"}]}, "v1beta1", "type cannot be changed"),
        ({"components": {"worker": {}}}, "v1beta1", "components: expected a list"),
        ({"services": {"worker": {}}}, "v1beta1", "services: belongs to v1alpha1"),
        ({"services": {"Epp": {}}}, "v1alpha1", "'Epp' is not generated"),
        ({"services": {"worker": 5}}, "v1alpha1", "spec.services.worker: expected a mapping, got int"),
        ([1], "v1beta1", "spec.overrides.dgd.spec: expected a mapping"),
    ],
)
def test_overrides_of_what_is_not_generated_are_refused(spec, version, expected):
    with pytest.raises(InputError, match=expected):
        documents(agg("vllm"), request(dgd_override=override(spec, version)))
