"""The Planner within a request: where it contradicts the rest, and what is worth a warning."""

import pytest

from simkit.catalog.problems import build_problem
from simkit.core.errors import InputError
from simkit.core.request import DeployOptions, Hardware, Request
from simkit.formats.dgdr.read import request_from_document

THRESHOLDS = {
    "prefill_scale_up_queue_tokens": 9000,
    "prefill_scale_down_queue_tokens": 100,
    "decode_scale_up_kv_rate": 85,
    "decode_scale_down_kv_rate": 40,
}
LOAD = {"optimization_target": "load", **THRESHOLDS}


def dgdr(planner, **spec):
    features = {"planner": planner, **spec.pop("features", {})}
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "demo"},
        "spec": {"model": "Qwen/Qwen3-32B", "sla": {"ttft": 500, "itl": 50}, "features": features, **spec},
    }


def warnings(planner, **spec):
    return " | ".join(request_from_document(dgdr(planner, **spec), "f").warnings)


@pytest.mark.parametrize("backend", ["sglang", "trtllm"])
@pytest.mark.parametrize(
    ("planner", "field"),
    [
        (LOAD, "optimization_target"),
        ({"optimization_target": "sla", "enable_load_scaling": True}, "enable_load_scaling"),
    ],
)
def test_load_scaling_takes_vllm(backend, planner, field):
    with pytest.raises(InputError) as error:
        request_from_document(dgdr(planner, backend=backend), "f")
    text = str(error.value)
    assert f"spec.features.planner.{field}: " in text
    assert "only vllm reports" in text
    assert "set spec.backend to vllm" in text
    request_from_document(dgdr(planner, backend="vllm"), "f")
    request_from_document(dgdr(planner, backend=backend, features={"mocker": {"enabled": True}}), "f")


def test_load_scaling_leaves_auto_with_vllm():
    def problem(planner):
        hardware = Hardware(gpu="h200_sxm", total_gpus=8)
        return build_problem(
            Request(model="Qwen/Qwen3-32B", hardware=hardware, deploy=DeployOptions(planner=planner))
        )

    found = problem(LOAD)
    assert [model.engine.backend for model in found.engines] == ["vllm"]
    assert any("load-based planner scaling: only vllm" in text for text in found.request.warnings)
    assert len(problem({}).engines) == 3


def test_a_disabled_planner_is_not_checked():
    request = request_from_document(dgdr({"enabled": False, "nonsense": 1}, backend="sglang"), "f")
    assert request.deploy.planner is None


@pytest.mark.parametrize("mode", ["none", None])
def test_a_mocker_needs_step_times(mode):
    planner = {"pre_deployment_sweeping_mode": mode}
    with pytest.raises(InputError, match="leaves the mocker without the step times"):
        request_from_document(dgdr(planner, features={"mocker": {"enabled": True}}), "f")
    request_from_document(dgdr(planner), "f")


def test_metrics_cannot_be_off_where_the_target_reads_them():
    override = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"annotations": {"nvidia.com/enable-metrics": "false"}},
    }
    with pytest.raises(InputError, match="'sla' reads metrics, which overrides"):
        request_from_document(dgdr({"optimization_target": "sla"}, overrides={"dgd": override}), "f")
    request_from_document(dgdr({}, overrides={"dgd": override}), "f")


def test_prometheus_is_asked_for_where_it_is_read():
    assert "install it before the deployment" in warnings({"optimization_target": "sla"})
    for target in ("throughput", "latency"):
        assert "Prometheus" not in warnings({"optimization_target": target})


@pytest.mark.parametrize(
    ("planner", "spec", "words"),
    [
        ({"optimization_target": "sla"}, {"sla": {"e2eLatency": 9000}}, "knows no e2eLatency"),
        ({"ttft_ms": 100}, {}, "target 'throughput' ignores ttft_ms and itl_ms"),
        ({}, {"backend": "sglang"}, "promises for vllm only"),
        ({"max_gpu_budget": 4}, {"hardware": {"totalGpus": 8}}, "4 is kept, though hardware.totalGpus is 8"),
        ({"throughput_metrics_source": "router"}, {}, "a router component of its own"),
        ({"backend": "vllm"}, {"backend": "trtllm"}, "'vllm' gives way to spec.backend 'trtllm'"),
    ],
)
def test_what_may_surprise_is_told(planner, spec, words):
    assert words in warnings(planner, **spec)
    assert words not in warnings({}, backend="vllm")
