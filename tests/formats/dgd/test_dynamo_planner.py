"""The Planner beside a deployment: what its configuration holds and may scale."""

import json

import jsonschema
import pytest

from perfmodels.parallel import ParallelPlan
from simkit.engines.registry import engine_names

from .dynamo_cases import MODEL, ROOT, agg, components, disagg, documents, main, request


def planner_config(deployment, req, **changes):
    return json.loads(documents(deployment, req, **changes)[0]["data"]["planner_config.json"])


def test_the_planner_knows_the_deployment():
    config = planner_config(disagg("vllm"), request(planner={}))
    known = {
        "pre_deployment_sweeping_mode": "none",
        "max_gpu_budget": 16,
        "ttft_ms": 500.0,
        "itl_ms": 50.0,
        "backend": "vllm",
        "mode": "disagg",
        "model_name": MODEL,
        "prefill_engine_num_gpu": 2,
        "decode_engine_num_gpu": 4,
    }
    assert {key: config[key] for key in known} == known


def test_the_requests_planner_keys_win_except_facts():
    given = {
        "optimization_target": "sla",
        "ttft_ms": 300,
        "max_gpu_budget": 12,
        "mode": "agg",
        "advisory": True,
    }
    config = planner_config(disagg("vllm"), request(planner=given))
    assert (config["optimization_target"], config["ttft_ms"], config["max_gpu_budget"]) == ("sla", 300, 12)
    assert config["advisory"] is True
    assert config["mode"] == "disagg"


def test_the_planners_gpu_budget_never_caps_what_is_deployed():
    large = agg("vllm", ParallelPlan(tp=8), replicas=3)
    assert planner_config(large, request(planner={}), total_gpus=None)["max_gpu_budget"] == 24
    assert planner_config(agg("vllm"), request(planner={}), total_gpus=None)["max_gpu_budget"] == 8


def test_the_planners_config_map_is_named_after_its_content():
    def name(planner):
        return documents(disagg("vllm"), request(planner=planner))[0]["metadata"]["name"]

    assert name({}) == name({})
    assert name({}) != name({"advisory": True})


def test_the_planner_may_scale_workers_and_nothing_else():
    found = components(disagg("vllm"), request(planner={}))
    scaled = {name for name, component in found.items() if component.get("scalingAdapter") == {}}
    assert scaled == {"prefill", "decode"}
    modes = {name: main(found[name]).get("env") for name in ("prefill", "decode")}
    assert modes["prefill"] == [{"name": "DYN_BENCHMARK_MODE", "value": "prefill"}]
    assert modes["decode"] == [{"name": "DYN_BENCHMARK_MODE", "value": "decode"}]
    assert "scalingAdapter" not in components(disagg("vllm"))["prefill"]
    assert "env" not in main(components(disagg("sglang"), request(planner={}))["prefill"])


@pytest.mark.parametrize("backend", engine_names())
@pytest.mark.parametrize("mocker", [False, True])
def test_planner_configs_fit_the_published_schema(backend, mocker):
    schema = json.loads((ROOT / "data" / "schemas" / "planner_config.json").read_text())
    for deployment in (agg(backend), disagg(backend)):
        config = planner_config(deployment, request(planner={}, mocker=mocker))
        jsonschema.validate(config, schema)
        assert set(config) <= set(schema["properties"])
