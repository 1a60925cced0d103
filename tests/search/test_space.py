"""Which plans are asked about: all of them can run, none is wider than the hardware."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.model.shape import GqaAttention, MoeFfn
from perfmodels.parallel import ParallelPlan
from simkit.catalog.gpus import gpu
from simkit.catalog.model_lookup import model_names
from simkit.catalog.models import load_model
from simkit.core.deployment import parse_layout
from simkit.io.paths import data_dir
from simkit.search.space import MAX_NODES_PER_ENGINE, SpaceRules, engine_widths, plan_space

GPUS = ("h200_sxm", "a100_pcie", "gb200", "a30", "l40s")


def plans_of(name, device="h200_sxm", max_gpus=32, backend="vllm", *, dynamo=False):
    rules = SpaceRules(max_gpus=max_gpus, backend=backend, dynamo_rules=dynamo)
    return plan_space(load_model(name).shape, gpu(device), rules)


names, devices = st.sampled_from(model_names()), st.sampled_from(GPUS)
budgets = st.integers(1, 128)
backends = st.sampled_from(["vllm", "sglang", "trtllm"])


@given(name=names, device=devices, budget=budgets, backend=backends, dynamo=st.booleans())
def test_every_plan_can_run(name, device, budget, backend, dynamo):
    shape, hardware = load_model(name).shape, gpu(device)
    plans = plans_of(name, device, budget, backend, dynamo=dynamo)
    assert ParallelPlan() in plans
    assert len(set(plans)) == len(plans)
    for plan in plans:
        wide = plan.attn_dp == plan.num_gpus and not dynamo
        most = max(MAX_NODES_PER_ENGINE * hardware.gpus_per_node, hardware.link_domain_gpus if wide else 0)
        assert plan.num_gpus <= min(budget, most)
        assert shape.num_heads % plan.tp == 0
        assert plan.pp <= shape.num_layers
        if shape.is_moe and plan.num_gpus > 1:
            assert plan.tp * plan.attn_dp == plan.moe_tp * plan.ep
        for group in shape.ffn:
            if isinstance(group, MoeFfn):
                assert group.num_experts % plan.ep == 0
                assert group.intermediate_size % plan.moe_tp == 0


@pytest.mark.parametrize("name", model_names())
def test_heads_divide_in_every_kind_of_layer(name):
    """Engines refuse to split 16 heads over 32 ranks, or 10 KV heads over 4: neither divides the other."""
    shape = load_model(name).shape
    for plan in plans_of(name):
        for group in shape.attention:
            assert group.num_heads % plan.tp == 0, plan.label
            if isinstance(group, GqaAttention):
                shared = math.gcd(group.num_kv_heads, plan.tp)
                assert shared in (group.num_kv_heads, plan.tp), plan.label


@given(name=names, device=devices, budget=budgets, backend=backends)
def test_a_larger_budget_only_adds_plans(name, device, budget, backend):
    assert set(plans_of(name, device, budget, backend)) <= set(plans_of(name, device, budget + 8, backend))


@given(name=names, device=devices, budget=budgets)
def test_narrowest_first(name, device, budget):
    widths = [plan.num_gpus for plan in plans_of(name, device, budget)]
    assert widths == sorted(widths)


def kinds(plans):
    """How each plan wider than one GPU splits a model."""
    found = set()
    for plan in plans:
        if plan.num_gpus == 1:
            continue
        if plan.pp > 1:
            found.add("pp")
        elif plan.attn_dp > 1:
            found.add("dep" if plan.tp == 1 else "mixed")
        else:
            found.add("tep" if plan.ep > 1 else "tp")
    return found


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("Qwen/Qwen3-32B", "dense", {"tp"}),
        ("deepseek-ai/DeepSeek-R1", "mla_moe", {"tep", "dep"}),
        ("Qwen/Qwen3-235B-A22B", "gqa_moe", {"tp", "tep", "dep"}),
        ("Qwen/Qwen3-30B-A3B", "gqa_moe", {"tp", "tep", "dep"}),
    ],
)
def test_dynamos_own_layouts(name, kind, expected):
    assert load_model(name).shape.architecture_class == kind
    assert kinds(plans_of(name, dynamo=True)) == expected


def test_more_layouts_than_dynamos():
    assert kinds(plans_of("Qwen/Qwen3-32B")) == {"tp", "pp"}
    assert kinds(plans_of("deepseek-ai/DeepSeek-R1")) == {"tp", "tep", "dep", "mixed"}
    assert kinds(plans_of("deepseek-ai/DeepSeek-R1", backend="trtllm")) == {"tp", "tep", "dep"}


def test_dense_models_split_over_one_node_and_pipe_over_more():
    assert [plan.label for plan in plans_of("Qwen/Qwen3-32B")] == [
        "tp1", "tp2", "tp4", "tp8", "tp8pp2", "tp8pp4",
    ]  # fmt: skip
    assert [plan.label for plan in plans_of("Qwen/Qwen3-32B", max_gpus=6)] == ["tp1", "tp2", "tp4"]


def test_experts_spread_over_all_that_one_fast_link_reaches():
    """NVL72: beyond four hosts of four GPUs attention-DP engines alone, and none by Dynamo's rules."""
    wide = [p.label for p in plans_of("deepseek-ai/DeepSeek-R1", "gb200", 72) if p.num_gpus > 16]
    assert wide == ["dep32", "dep64"]
    assert max(p.num_gpus for p in plans_of("deepseek-ai/DeepSeek-R1", "gb200", 72, dynamo=True)) == 16
    assert max(p.num_gpus for p in plans_of("deepseek-ai/DeepSeek-R1", max_gpus=72)) == 32


@pytest.mark.parametrize(
    ("device", "budget", "widths"),
    [
        ("h200_sxm", 100, [1, 2, 4, 8, 16, 32]),
        ("h200_sxm", 7, [1, 2, 4]),
        ("gb200", 64, [1, 2, 4, 8, 16]),  # hosts of four
        ("h200_sxm", 1, [1]),
    ],
)
def test_widths_are_powers_of_two_then_whole_nodes(device, budget, widths):
    most = MAX_NODES_PER_ENGINE * gpu(device).gpus_per_node
    assert engine_widths(gpu(device), budget, most) == widths


@given(name=names, device=devices, budget=budgets, backend=backends)
def test_labels_read_back(name, device, budget, backend):
    moe = load_model(name).shape.is_moe
    for plan in plans_of(name, device, budget, backend):
        assert parse_layout(f"3x{plan.label}", moe=moe) == (3, plan)


def test_layouts_that_were_measured_are_asked_about():
    """Planted truth: what people deployed and timed can be deployed. dp over split experts is not offered."""
    runs = pd.read_csv(data_dir() / "runs/serving_runs_fit.csv")
    sizes = ["tp", "pp", "attn_dp", "moe_tp", "ep"]
    missing = set()
    for prefix in ("", "prefill_", "decode_"):
        columns = [prefix + name for name in sizes]
        found = runs.dropna(subset=columns)[["model", "gpu", "backend", *columns]].drop_duplicates()
        for model, device, backend, *groups in found.itertuples(index=False):
            plan = ParallelPlan(**dict(zip(sizes, map(int, groups), strict=True)))
            if not load_model(model).shape.is_moe:
                plan = ParallelPlan(tp=plan.tp, pp=plan.pp)
            if plan.attn_dp > 1 and plan.moe_tp > 1:
                continue
            if plan not in plans_of(model, device, 64, backend):
                missing.add((model, plan.label))
    assert not missing
