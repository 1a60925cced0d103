"""What an answer says beyond its numbers, and choices that predictions alone do not decide."""

import numpy as np
import pytest

from perfmodels.model.params import total_params
from simkit.catalog.models import load_model
from simkit.catalog.problems import SearchOptions
from simkit.core.request import ClusterOptions, DeployOptions, ModelCache, Request
from simkit.core.slo import Slo
from simkit.engines.support import python_fault
from simkit.explain.remarks import MANY_REPLICAS, cache_advice
from simkit.search.candidate_table import Points
from simkit.search.picking import Preference
from simkit.search.ties import promoted_on_tie, tied_with_first, with_every_group
from simkit.verbs.recommend import recommend

SMALL = load_model("Qwen/Qwen3-0.6B").shape
LARGE = load_model("meta-llama/Llama-3.1-70B-Instruct").shape


def asked(**deploy):
    return Request(model="m", deploy=DeployOptions(**deploy))


def test_a_model_above_70_billion_wants_a_volume():
    assert total_params(LARGE) == pytest.approx(70.6e9, rel=0.01)
    assert "71 billion parameters" in cache_advice(asked(), LARGE, 1)
    assert cache_advice(asked(), SMALL, 1) == ""
    assert cache_advice(asked(model_cache=ModelCache(pvc_name="w")), LARGE, 100) == ""
    assert cache_advice(asked(cluster=ClusterOptions(model_cache_job=True)), LARGE, 100) == ""
    assert cache_advice(asked(mocker=True), LARGE, 100) == ""  # it loads no weights


def test_so_do_many_replicas_and_scaling():
    assert cache_advice(asked(), SMALL, MANY_REPLICAS - 1) == ""
    assert f"{MANY_REPLICAS} engines start at once" in cache_advice(asked(), SMALL, MANY_REPLICAS)
    assert "the Planner starts further engines" in cache_advice(asked(planner={}), SMALL, 2)


@pytest.mark.parametrize(
    ("backend", "version", "warned"),
    [("trtllm", (3, 11), True), ("trtllm", (3, 12), False), ("vllm", (3, 11), False)],
)
def test_tensorrt_llm_and_python_3_11(backend, version, warned):
    assert ("does not support Python 3.11" in python_fault(backend, version)) == warned


def test_auto_ranks_every_engine_on_a_mixture_of_experts_and_marks_partial_support():
    document = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "moe"},
        "spec": {"model": "Qwen/Qwen3-30B-A3B", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}},
    }
    found = recommend(document, SearchOptions(limit=3))
    assert len(found.candidates) == 3
    assert {item.deployment.backend for item in found.candidates} == {"vllm", "sglang", "trtllm"}
    for item in (*found.candidates, *found.pareto):
        marked = any("only in part" in note for note in item.estimate.notes)
        assert marked == (item.deployment.backend != "sglang")


def points(**columns):
    """Two points alike but for the columns given."""
    even = {"num_gpus": 8.0, "requests_per_s": 10.0, "e2e_s": 5.0, "ttft_s": 0.1, "itl_s": 0.01}
    values = {name: np.ones(2) for name in Points.__slots__}
    values |= {name: np.full(2, value) for name, value in even.items()}
    return Points(**{**values, "saturated": np.zeros(2), **{k: np.array(v) for k, v in columns.items()}})


def first(table, objective="throughput", slo=None):
    """Which of the two leads when the second has full support."""
    favoured = np.array([False, True])
    preference = Preference(objective=objective, total_gpus=8, osl_tokens=100)
    holds = table.violation(slo or Slo()) <= 1.0
    order = promoted_on_tie(np.array([0, 1]), favoured, table, holds, preference)
    assert sorted(order) == [0, 1]
    return int(order[0])


@pytest.mark.parametrize(
    ("columns", "objective", "winner"),
    [
        ({}, "throughput", 1),
        ({"requests_per_s": [10.0, 9.81]}, "throughput", 1),
        ({"requests_per_s": [10.0, 9.79]}, "throughput", 0),
        ({"requests_per_s": [10.0, 9.81]}, "fewest_gpus", 1),
        ({"num_gpus": [4.0, 8.0]}, "fewest_gpus", 0),
        ({"e2e_s": [5.0, 5.09]}, "latency", 1),
        ({"e2e_s": [5.0, 5.11]}, "latency", 0),
    ],
)
def test_full_support_wins_what_nobody_could_tell_apart(columns, objective, winner):
    assert first(points(**columns), objective) == winner


def test_a_missed_sla_is_no_tie():
    assert first(points(ttft_s=[0.1, 0.2]), slo=Slo(ttft_s=0.15, itl_s=0.1)) == 0


@pytest.mark.parametrize(
    ("columns", "objective", "alike"),
    [
        # Two predictions 10 % unsure each differ by 14 %: ln(11.4/10) = 0.131, ln(11.6/10) = 0.148.
        ({"requests_per_s": [10.0, 11.4]}, "throughput", True),
        ({"requests_per_s": [10.0, 11.6]}, "throughput", False),
        (
            {"requests_per_s": [10.0, 11.6], "itl_log_sd": [0.2, 0.2], "ttft_log_sd": [0.2, 0.2]},
            "throughput",
            True,
        ),
        ({"e2e_s": [5.0, 5.6]}, "latency", True),
        ({"e2e_s": [5.0, 6.0]}, "latency", False),
        ({"num_gpus": [4.0, 8.0], "requests_per_s": [5.0, 10.0]}, "fewest_gpus", False),
        ({"saturated": [0.0, 1.0]}, "throughput", False),
    ],
)
def test_a_tie_is_a_difference_within_the_noise_of_both(columns, objective, alike):
    unsure = {"ttft_s": [0.0, 0.0], "ttft_log_sd": [0.1, 0.1], "itl_log_sd": [0.1, 0.1]}
    table = points(**(unsure | columns))
    preference = Preference(objective=objective, total_gpus=8, osl_tokens=100)
    assert tied_with_first(table, preference).tolist() == [False, alike]


def test_each_group_keeps_its_best():
    order, group = np.array([4, 2, 0, 1, 3]), np.array([0, 0, 0, 1, 0])
    assert list(with_every_group(order, group, 3)) == [4, 2, 3]
    assert list(with_every_group(order, group, 9)) == list(order)
    assert list(with_every_group(order, group, 1)) == [4]


def test_advice_reaches_the_answer():
    spec = {
        "model": "meta-llama/Llama-3.1-70B-Instruct",
        "backend": "trtllm",
        "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8},
    }
    document = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "big"},
        "spec": spec,
    }
    text = " ".join(recommend(document).request.warnings)
    assert "no spec.modelCache" in text
    cached = {**document, "spec": {**spec, "modelCache": {"pvcName": "w"}}}
    assert "no spec.modelCache" not in " ".join(recommend(cached).request.warnings)
