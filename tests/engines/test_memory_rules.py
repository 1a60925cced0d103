"""How engines divide a GPU: what each sets at start, by version and settings."""

import numpy as np
import pytest

from perfmodels.kv_cache import AS_NEEDED
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.units import GIB
from simkit.catalog.engine_models import engine_model
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.core.draft import Draft
from simkit.engines.engine_memory import memory_fraction, memory_rules, visible_bytes
from simkit.engines.registry import default_engine, engine_spec

TWO_PLANS = PlanArray.of([ParallelPlan(), ParallelPlan(tp=4)])


def pools(backend, **settings):
    return engine_spec(backend).memory.pools(default_engine(backend, **settings))


@pytest.mark.parametrize("backend", ["vllm", "trtllm"])
def test_engines_with_one_pool_divide_it_as_sequences_need_it(backend):
    assert pools(backend) == AS_NEEDED


def test_sglang_keeps_three_states_for_a_request_whose_prefix_may_stay():
    assert (pools("sglang").state_ratio, pools("sglang").states) == (0.9, 3.0)
    assert pools("sglang", prefix_caching=False).states == 1.0


def test_sglang_keeps_more_rows_for_a_draft():
    draft = Draft(method="mtp", tokens=3, acceptance=0.8)
    assert pools("sglang").state_rows == 8
    assert pools("sglang", draft=draft).state_rows == pools("sglang", speculative=True).state_rows == 16


@pytest.mark.parametrize(
    ("version", "unsliced"), [("0.5.12.post1", True), ("0.5.13", False), ("0.5.21", False), (None, False)]
)
def test_sglang_sliced_deepseek_v4s_pools_with_0_5_13(version, unsliced):
    assert pools("sglang", version=version).unsliced is unsliced


def test_peers_take_their_part_before_sglang_looks_at_the_gpu():
    model = engine_model(load_model("Qwen/Qwen3-32B"), gpu("h100_sxm"), "sglang", memory_frac=0.8)
    rules, share = memory_rules(model, TWO_PLANS), memory_fraction(model, TWO_PLANS)
    gone = (share - rules.usable_frac) * visible_bytes(model)
    assert gone == pytest.approx(np.array([0.0, 0.8 * 0.6 * GIB]))


def test_a_checkpoints_own_weights_count_where_they_are_known():
    known = engine_model(load_model("moonshotai/Kimi-K2.5"), gpu("h200_sxm"), "sglang")
    assert known.weight_scale == pytest.approx(1.087, abs=0.001)
