"""The Planner's configuration: complete, valid for any setting, each fault named."""

import json
import math
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfmodels.parallel import ParallelPlan
from simkit.catalog.schemas import planner_schema
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.errors import InputError
from simkit.core.request import DeployOptions, Request
from simkit.core.slo import Slo
from simkit.engines.registry import default_engine, engine_names
from simkit.formats.dgd.render import render
from simkit.formats.planner.config import (
    complete_config,
    field_since,
    old_names,
    read_planner_config,
    scale_interval_s,
    written_config,
)
from simkit.formats.planner.faults import planner_faults, planner_settings
from simkit.formats.planner.rules import planner_problems

SHARED = Path(__file__).resolve().parents[4] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")
TARGETS = ("throughput", "latency", "load", "sla")
THRESHOLDS = {
    "prefill_scale_up_queue_tokens": 9000,
    "prefill_scale_down_queue_tokens": 100,
    "decode_scale_up_kv_rate": 85.5,
    "decode_scale_down_kv_rate": 40,
}


SCHEMA = (
    json.loads((SHARED / "schemas" / "plannerconfig-1.6.1.schema.json").read_text())
    if SHARED.is_dir()
    else {}
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# Left out unless given: the operator sets them, and a value would override the cluster's.
FROM_ENVIRONMENT = {
    name
    for name in SCHEMA.get("properties", ())
    if name == "namespace" or name.startswith(("metric_pulling_", "metric_reporting_"))
}


def deployment(backend, mode):
    pool = Pool(plan=ParallelPlan(tp=2), engine=default_engine(backend), replicas=2)
    return Aggregated(worker=pool) if mode == "agg" else Disaggregated(prefill=pool, decode=pool)


def rendered(planner, backend="vllm", mode="disagg", total_gpus=16, **deploy):
    request = Request(
        model="org/model",
        slo=Slo(ttft_s=0.4, itl_s=0.02),
        deploy=DeployOptions(name="demo", planner=planner, **deploy),
    )
    documents = render(
        deployment(backend, mode), request, model="org/model", gpus_per_node=8, total_gpus=total_gpus
    )
    return json.loads(documents[0]["data"]["planner_config.json"]), documents[-1]


def kinds(field):
    """The types and choices that a field of either schema takes."""
    if "anyOf" in field:
        return set().union(*(kinds(part) for part in field["anyOf"]))
    if "$ref" in field:
        target = SCHEMA["$defs"].get(field["$ref"].rpartition("/")[2], {})
        return kinds(target) if "enum" in target else {field["$ref"]}
    found = field.get("enum", field.get("type"))
    return set(found if isinstance(found, list) else [found])


@needs_shared
@pytest.mark.parametrize("block", ["", *planner_schema()["$defs"]])
def test_our_schema_has_the_published_fields_types_and_defaults(block):
    ours, published = (schema["$defs"][block] if block else schema for schema in (planner_schema(), SCHEMA))
    assert ours["additionalProperties"] is False
    assert ours.get("required") == published.get("required")
    later = {name for name, field in ours["properties"].items() if tuple(field.get("since", ())) > (1, 6)}
    assert set(ours["properties"]) - later == {*published["properties"], *(() if block else ("enabled",))}
    for name, theirs in published["properties"].items():
        field = ours["properties"][name]
        assert kinds(field) - {None, "null"} == kinds(theirs) - {None, "null"}, name
        if "default" in theirs and name != "scale_interval_seconds":  # ours follows from the intervals
            assert field["default"] == theirs["default"], name


def test_fields_of_the_next_release_are_taken_and_not_written_unasked():
    later = {
        "enable_runtime_reconfiguration": True,
        "runtime_warmup_trace_dir": "/traces",
        "batch_scheduling": {"enabled": True},
    }
    assert all(field_since(name) == (1, 7) for name in later)
    document = written_config(read_planner_config(later))
    assert {name: document[name] for name in later} == later
    assert not set(later) & set(written_config(read_planner_config({})))
    with pytest.raises(InputError, match="enable_runtime_reconfiguration: expected true or false"):
        read_planner_config({"enable_runtime_reconfiguration": "yes"})


@needs_shared
def test_every_field_of_the_schema_is_known_with_its_default():
    document = read_planner_config({"optimization_target": "sla"})
    assert set(document) == set(SCHEMA["properties"]) - FROM_ENVIRONMENT
    for name, field in SCHEMA["properties"].items():
        if "default" in field and name != "optimization_target":
            assert document[name] == field["default"], name


@needs_shared
def test_nested_blocks_have_the_schemas_keys_and_defaults():
    given = {"scheduling": {"scale_interval_seconds": 5}}  # worked out where it is not given
    document = read_planner_config(given)
    blocks = {
        "SchedulingConfig": document["scheduling"],
        "GatewayConfig": document["scheduling"]["gateway"],
        "PluginRegistrationConfig": document["plugin_registration"],
        "AuthConfig": document["plugin_registration"]["auth"],
        "TransportConfig": document["plugin_registration"]["transport"],
        "AdminAuthConfig": document["plugin_registration"]["admin"],
    }
    for name, block in blocks.items():
        fields = SCHEMA["$defs"][name]["properties"]
        assert set(fields) == set(block), name
        assert all(block[key] == field["default"] for key, field in fields.items() if "default" in field)


@needs_shared
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", ["agg", "disagg", "prefill", "decode"])
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm", "mocker"])
def test_each_target_gives_a_complete_valid_configuration(target, mode, backend):
    thresholds = THRESHOLDS if target == "load" else {}
    planner = {"optimization_target": target, "mode": mode, **thresholds}
    engine = "vllm" if backend == "mocker" else backend
    mocked = backend == "mocker"
    if target == "load" and backend in ("sglang", "trtllm"):
        with pytest.raises(InputError, match="only vllm reports"):
            rendered(planner, engine, mode, mocker=mocked)
        return
    written, _ = rendered(planner, engine, mode, mocker=mocked)
    VALIDATOR.validate(written)
    config = complete_config(written)
    assert set(config) == set(SCHEMA["properties"]) - FROM_ENVIRONMENT
    assert config["backend"] == backend
    assert config["mode"] == mode
    assert config["max_gpu_budget"] == 16
    assert config["enable_throughput_scaling"] is (target == "sla")
    assert config["enable_load_scaling"] is (target != "sla")


VALUES = {
    "environment": st.sampled_from(["kubernetes", "virtual", "global-planner", "docker"]),
    "global_planner_namespace": st.sampled_from(["ns", None]),
    "mode": st.sampled_from(["disagg", "prefill", "decode", "agg", "both"]),
    "optimization_target": st.sampled_from([*TARGETS, "cost"]),
    "pre_deployment_sweeping_mode": st.sampled_from(["none", "rapid", "thorough", None]),
    "throughput_adjustment_interval_seconds": st.integers(0, 400),
    "load_adjustment_interval_seconds": st.integers(0, 60),
    "max_throughput_scaling_replicas": st.integers(0, 20),
    "max_gpu_budget": st.integers(-2, 64),
    "min_gpu_budget": st.integers(-2, 64),
    "min_endpoint": st.integers(-1, 4),
    "prefill_min_endpoint": st.none() | st.integers(0, 4),
    "decode_min_endpoint": st.none() | st.integers(0, 4),
    "control_api_port": st.integers(-1, 70_000),
    "ttft_ms": st.floats(-1, 5000),
    "itl_ms": st.floats(-1, 500) | st.just(math.nan),
    "load_predictor": st.sampled_from(["constant", "arima", "prophet", "kalman", "lstm"]),
    "metric_pulling_prometheus_endpoint": st.sampled_from(["http://prometheus:9090", "prometheus:9090"]),
    "metric_pulling_prometheus_extra_query_params": st.dictionaries(st.text("ab"), st.text("cd"), max_size=2),
    "throughput_metrics_source": st.sampled_from(["frontend", "router", "engine"]),
    "enable_throughput_scaling": st.booleans(),
    "enable_load_scaling": st.booleans(),
    "fpm_sample_bucket_size": st.sampled_from([0, 4, 8, 9, 16]),
    "load_scaling_down_sensitivity": st.integers(-5, 110),
    "prefill_scale_up_queue_tokens": st.none() | st.integers(-1, 5),
    "prefill_scale_down_queue_tokens": st.none() | st.integers(-1, 5),
    "decode_scale_up_kv_rate": st.none() | st.floats(-1, 101),
    "decode_scale_down_kv_rate": st.none() | st.floats(-1, 101),
    "advisory": st.booleans() | st.just("yes"),
    "enable_power_awareness": st.booleans(),
    "total_gpu_power_limit": st.none() | st.integers(0, 10_000),
    "report_interval_hours": st.none() | st.floats(-1, 100),
    "live_dashboard_port": st.integers(0, 66_000),
    "scheduling": st.fixed_dictionaries(
        {},
        optional={
            "scale_interval_seconds": st.sampled_from([0, 0.5, 1, 5, 7.5]),
            "gateway": st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "port": st.just(1)}),
            "external_plugins": st.lists(
                st.fixed_dictionaries(
                    {
                        "plugin_id": st.text("xy", max_size=2),
                        "plugin_type": st.sampled_from(["predict", "constrain", "guess"]),
                        "priority": st.integers(0, 9),
                        "endpoint": st.sampled_from(["grpc://a:1", "http://a"]),
                    },
                    optional={"hold_policy": st.sampled_from([0, 1, "hold_last", "never"])},
                ),
                max_size=2,
            ),
        },
    ),
    "unknown_setting": st.integers(),
}


@settings(max_examples=400, deadline=None)
@given(
    planner=st.sets(st.sampled_from(sorted(VALUES)), max_size=6).flatmap(
        lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
    ),
    backend=st.sampled_from(engine_names()),
)
def test_any_configuration_is_either_valid_or_named(planner, backend):
    """A fault-free block renders to what the schema takes, every value as given; a fault names its field."""
    spec = {"backend": backend, "features": {"planner": {"enabled": True, **planner}}}
    faults = planner_faults(spec)
    for fault in faults:
        assert fault.path.startswith("spec.features.planner.")
        assert fault.problem
        assert fault.remedy
    if faults:
        return
    mode = "agg" if planner.get("mode") == "agg" else "disagg"
    try:
        config, _ = rendered(planner_settings(spec["features"]["planner"]), backend, mode)
    except InputError as error:
        assert "fewer than the" in str(error)  # the budget is below what always runs
        return
    written_as_given(config, planner)
    if SCHEMA:
        VALIDATOR.validate(config)


_DECIDED = ("scheduling", "enable_load_scaling", "enable_throughput_scaling", "backend", "mode")


def written_as_given(config, planner):
    for name, value in planner.items():
        if name not in _DECIDED:
            assert config[name] == value, name
    assert planner_problems(read_planner_config(config)) == []  # what is written passes its own rules


@pytest.mark.parametrize(
    ("planner", "field", "words"),
    [
        ({"optimisation_target": "sla"}, "optimisation_target", "did you mean optimization_target?"),
        ({"optimization_target": "sls"}, "optimization_target", "did you mean sla?"),
        ({"scheduling": {"gatway": {}}}, "scheduling.gatway", "did you mean gateway?"),
        (
            {"scheduling": {"external_plugins": [{"plugin_idd": "a"}]}},
            "scheduling.external_plugins[0].plugin_idd",
            "did you mean plugin_id?",
        ),
        ({"ttft_ms": 0}, "ttft_ms", "must be above 0, got 0"),
        ({"ttft_ms": "fast"}, "ttft_ms", "expected a number, got 'fast'"),
        ({"control_api_port": 70000}, "control_api_port", "must be at most 65535"),
        ({"load_scaling_down_sensitivity": 101}, "load_scaling_down_sensitivity", "at most 100"),
        ({"ttft": 5, "ttft_ms": 5}, "ttft", "says the same as ttft_ms"),
        ({"mode": "agg", "prefill_min_endpoint": 1}, "prefill_min_endpoint", "min_endpoint instead"),
        ({"mode": "prefill", "decode_min_endpoint": 1}, "decode_min_endpoint", "scales no decode engines"),
        ({"min_gpu_budget": 9, "max_gpu_budget": 8}, "min_gpu_budget", "9 is above max_gpu_budget 8"),
        ({"enable_power_awareness": True}, "total_gpu_power_limit", "required with"),
        (
            {"enable_power_awareness": True, "total_gpu_power_limit": 9000, "mode": "agg"},
            "enable_power_awareness",
            "does not go with mode 'agg'",
        ),
        (
            {"enable_power_awareness": True, "total_gpu_power_limit": 9000, "environment": "virtual"},
            "enable_power_awareness",
            "needs environment 'kubernetes'",
        ),
        ({"environment": "global-planner"}, "global_planner_namespace", "required with"),
        ({"optimization_target": "load"}, "decode_scale_up_kv_rate", "give the threshold"),
        (
            {"optimization_target": "load", **THRESHOLDS, "decode_scale_up_kv_rate": 40},
            "decode_scale_up_kv_rate",
            "40 must be above decode_scale_down_kv_rate, which is 40",
        ),
        (
            {"optimization_target": "sla", "enable_throughput_scaling": False},
            "enable_throughput_scaling",
            "neither throughput nor load scaling is on",
        ),
        (
            {
                "optimization_target": "sla",
                "enable_load_scaling": True,
                "load_adjustment_interval_seconds": 180,
            },
            "load_adjustment_interval_seconds",
            "must be shorter than",
        ),
        (
            {"scheduling": {"scale_interval_seconds": 3}},
            "scheduling.scale_interval_seconds",
            "does not divide the interval of 5 s",
        ),
        ({"fpm_sample_bucket_size": 15}, "fpm_sample_bucket_size", "perfect square"),
        ({"ais_perf_model": {"roles": {}}}, "ais_perf_model.roles.prefill", "required with mode 'disagg'"),
        (
            {"mode": "agg", "ais_perf_model": {"roles": {"aggregated": {"worker_type": "decode"}}}},
            "ais_perf_model.roles.aggregated.worker_type",
            "contradicts its role",
        ),
        ({"metric_pulling_prometheus_token": "s3cret"}, "metric_pulling_prometheus_token", "secret"),
        (
            {"plugin_registration": {"auth": {"static_secrets": {"s3cret": "me"}}}},
            "plugin_registration.auth.static_secrets",
            "mount a configuration from a Secret",
        ),
    ],
)
def test_a_fault_names_field_rule_and_remedy(planner, field, words):
    faults = {fault.path: str(fault) for fault in planner_faults({"features": {"planner": planner}})}
    assert words in faults[f"spec.features.planner.{field}"]
    assert "s3cret" not in " ".join(faults.values())


def test_all_faults_come_at_once():
    planner = {"optimization_target": "load", "fpm_sample_bucket_size": 15, "environment": "global-planner"}
    faults = planner_faults({"backend": "sglang", "features": {"planner": planner}})
    assert len(faults) == 7  # four thresholds, the bucket, the namespace, the engine
    kinds = planner_faults({"features": {"planner": {"ttft_ms": -1, "nmae": 1, "mode": "x"}}})
    assert len(kinds) == 3


@pytest.mark.parametrize("old", old_names())
def test_old_names_are_read_and_written_as_the_new_ones(old):
    settings_ = planner_settings({"enabled": True, old: 60, "optimization_target": "sla"})
    assert settings_ == {old_names()[old]: 60, "optimization_target": "sla"}
    config, _ = rendered({old: 60})
    assert config[old_names()[old]] == 60


def test_the_tick_follows_from_the_intervals():
    slow = {"throughput_adjustment_interval_seconds": 180, "load_adjustment_interval_seconds": 8}
    assert scale_interval_s(read_planner_config({"optimization_target": "sla", **slow})) == 4  # their gcd
    assert scale_interval_s(read_planner_config(slow)) == 8  # the slow loop does not run
    assert "scheduling" not in rendered(slow)[0]  # the Planner works it out as well


def test_what_is_written_differs_from_the_defaults_or_was_stated():
    defaults = complete_config({})
    written, _ = rendered({"load_predictor": "arima", "max_num_fpm_samples": 100})
    same = {name for name, value in written.items() if value == defaults.get(name)}
    assert same == {"load_predictor", "mode", "backend"}  # asked for, and what the deployment is
    assert written["max_num_fpm_samples"] == 100
    assert len(written) < 15
    missing = {name: value for name, value in defaults.items() if name not in written}
    assert complete_config(written) == {**missing, **complete_config(written)}


def test_hold_policies_are_written_as_the_schemas_numbers():
    plugin = {"plugin_id": "a", "plugin_type": "propose", "priority": 1, "endpoint": "grpc://a:1"}
    plugins = [{**plugin, "hold_policy": "accept_when_idle"}, plugin]
    config, _ = rendered({"scheduling": {"external_plugins": plugins}})
    assert [item["hold_policy"] for item in config["scheduling"]["external_plugins"]] == [0, 1]


def test_the_least_footprint_must_fit_the_budget():
    with pytest.raises(InputError, match=r"max_gpu_budget: 3 GPUs are fewer than the 4 of the engines"):
        rendered({"max_gpu_budget": 3})
    rendered({"max_gpu_budget": 4})
    rendered({"max_gpu_budget": 3, "mode": "decode"})  # only one pool is scaled
    rendered({"max_gpu_budget": 3, "min_endpoint": 0, "prefill_min_endpoint": 1})
    with pytest.raises(InputError, match="fewer than the 6"):
        rendered({"max_gpu_budget": 5, "decode_min_endpoint": 2})


@pytest.mark.parametrize(
    ("planner", "scaled"),
    [
        ({}, {"prefill", "decode"}),
        ({"mode": "prefill"}, {"prefill"}),
        ({"mode": "decode"}, {"decode"}),
        ({"advisory": True}, set()),
    ],
)
def test_only_what_the_planner_scales_has_an_adapter(planner, scaled):
    _, document = rendered(planner)
    found = {item["name"] for item in document["spec"]["components"] if "scalingAdapter" in item}
    assert found == scaled
