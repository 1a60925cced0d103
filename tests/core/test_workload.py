"""Specs that cannot exist invalid: workload, bounds, hardware, engines, pools."""

from itertools import pairwise

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload, workload_lengths
from simkit.engines.registry import default_engine
from simkit.search.prepared import counts


@pytest.mark.parametrize(
    "field", ["isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s", "requests_per_slot"]
)
@pytest.mark.parametrize("value", [0, -1, 1e9, float("nan"), float("inf")])
def test_workloads_are_positive(field, value):
    with pytest.raises(InputError, match=f"workload.{field} must be positive"):
        Workload(**{field: value})


@pytest.mark.parametrize("field", ["isl_tokens", "osl_tokens"])
def test_lengths_are_needed(field):
    with pytest.raises(InputError, match=f"workload.{field} is needed"):
        Workload(**{field: None})


def test_one_kind_of_load():
    with pytest.raises(InputError, match="either concurrency or request rate, not both"):
        Workload(concurrency=1, request_rate_per_s=1)


@pytest.mark.parametrize("spread", [-0.1, 1.0, float("nan")])
def test_spread_is_a_share(spread):
    with pytest.raises(InputError, match="length_spread"):
        Workload(length_spread=spread)


def test_lengths_between_0_8_and_1_average_0_9():
    lengths = workload_lengths(Workload(isl_tokens=1000, osl_tokens=200, length_spread=0.2))
    assert (float(lengths.isl_tokens), float(lengths.osl_tokens)) == (900, 180)
    assert float(lengths.mean_context_tokens) == 990
    assert float(workload_lengths(Workload(osl_tokens=0.5)).osl_tokens) == 1


def test_bounds_that_are_set():
    assert Slo().bounds == {}
    assert Slo(ttft_s=0.5, e2e_s=20).bounds == {"ttft_s": 0.5, "e2e_s": 20}


@pytest.mark.parametrize("field", ["ttft_s", "itl_s", "e2e_s"])
@pytest.mark.parametrize("value", [0, -1e-3, float("nan"), 1e8])
def test_bounds_are_times(field, value):
    with pytest.raises(InputError, match=f"sla.{field} must be a positive time"):
        Slo(**{field: value})


@pytest.mark.parametrize("field", ["total_gpus", "gpus_per_node", "vram_mb"])
def test_hardware_is_there(field):
    with pytest.raises(InputError, match=f"hardware.{field} must be positive, got 0"):
        Hardware(**{field: 0})


def test_requests_name_a_model_and_a_workable_strategy():
    with pytest.raises(InputError, match="model must not be empty"):
        Request(model="")
    with pytest.raises(InputError, match="'thorough' cannot run with backend 'auto'"):
        Request(model="x", search_strategy="thorough")


@pytest.mark.parametrize(
    "wrong",
    [{"max_num_seqs": 0}, {"max_num_batched_tokens": 0}, {"kv_block_tokens": 0}, {"memory_frac": 0.0},
     {"memory_frac": 1.01}, {"max_model_len": 0}],
)  # fmt: skip
def test_engine_options(wrong):
    with pytest.raises(InputError, match=f"engine.{next(iter(wrong))}"):
        EngineOptions(backend="vllm", **wrong)


def test_engines_by_name():
    assert default_engine("sglang", max_num_seqs=9).max_num_seqs == 9
    with pytest.raises(UnknownNameError, match="unknown backend 'vlm'; did you mean vllm"):
        default_engine("vlm")


def test_pools_and_deployments_count_gpus():
    engine = default_engine("vllm")
    worker = Pool(plan=ParallelPlan(tp=4), engine=engine, replicas=3)
    decode = Pool(plan=ParallelPlan(attn_dp=8, ep=8), engine=default_engine("sglang"))
    assert Aggregated(worker=worker).num_gpus == 12
    assert Disaggregated(prefill=worker, decode=decode).num_gpus == 20
    assert Disaggregated(prefill=worker, decode=decode).backend == "sglang"
    with pytest.raises(InputError, match="at least one replica"):
        Pool(plan=ParallelPlan(), engine=engine, replicas=0)


def test_worker_counts_are_all_up_to_sixteen_and_end_at_the_limit():
    assert counts(5).tolist() == [1, 2, 3, 4, 5]
    assert counts(0.5).tolist() == []
    wide = counts(100).tolist()
    assert wide[:16] == list(range(1, 17))
    assert wide[-1] == 100
    assert all(b <= 1.25 * a for a, b in pairwise(wide[15:]))
