"""Whatever is asked, the DGD stays within the GPUs and the names within Dynamo's limits."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.catalog.problems import build_problem
from simkit.core.draft import Draft
from simkit.core.errors import InfeasibleError
from simkit.core.estimate import Recommendation
from simkit.core.request import DeployOptions, Hardware, Request, Tuning
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.engines.flag_parser import parse_worker_args
from simkit.formats.dgd.render import MAX_NAME
from simkit.search.search import search
from simkit.verbs.answer_files.folder import dgd_documents

names = st.from_regex(r"[a-z]([a-z0-9.-]{0,80}[a-z0-9])?", fullmatch=True).filter(
    lambda name: ".." not in name
)
tunings = st.builds(
    Tuning,
    max_num_seqs=st.none() | st.integers(1, 300),
    max_num_batched_tokens=st.none() | st.integers(300, 20_000),
    kv_dtype=st.sampled_from(["auto", "both", "fp8"]),
    draft=st.none()
    | st.builds(Draft, method=st.just("ngram"), tokens=st.integers(1, 5), acceptance=st.floats(0, 1)),
)
requests = st.builds(
    Request,
    model=st.sampled_from(["Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-R1"]),
    backend=st.sampled_from(["auto", "vllm", "sglang", "trtllm"]),
    hardware=st.builds(
        Hardware,
        gpu=st.sampled_from(["h200_sxm", "b200_sxm"]),
        total_gpus=st.integers(1, 40),
        gpus_per_node=st.sampled_from([4, 8]),
    ),
    workload=st.builds(
        Workload,
        isl_tokens=st.integers(1, 12_000),
        osl_tokens=st.integers(2, 2000),
        concurrency=st.none() | st.integers(1, 300),
    ),
    slo=st.builds(Slo, ttft_s=st.none() | st.floats(0.1, 5.0), itl_s=st.none() | st.floats(0.004, 0.1)),
    tuning=tunings,
    deploy=st.builds(DeployOptions, name=names, planner=st.sampled_from([None, {}])),
)


def answered(request):
    """The problem and what was found; None where nothing fits."""
    problem = build_problem(request)
    try:
        return problem, search(problem)
    except InfeasibleError:
        return problem, None


def gpus_of(component):
    """GPUs of all pods of one component."""
    (container,) = [c for c in component["podTemplate"]["spec"]["containers"] if c["name"] == "main"]
    limits = container.get("resources", {}).get("limits", {})
    nodes = component.get("multinode", {}).get("nodeCount", 1)
    return int(limits.get("nvidia.com/gpu", 0)) * nodes * component.get("replicas", 1)


@pytest.mark.slow
@settings(max_examples=15)
@given(request=requests)
def test_a_dgd_keeps_to_the_gpus_the_names_and_the_settings(request):
    _, found = answered(request)
    if found is None:
        return
    for candidate in found.candidates[:3]:
        documents = dgd_documents(found, candidate)
        graph = documents[-1]
        components = graph["spec"]["components"]
        assert sum(gpus_of(component) for component in components) == candidate.deployment.num_gpus
        assert candidate.deployment.num_gpus <= request.hardware.total_gpus
        for component in components:
            assert len(graph["metadata"]["name"]) + len(component["name"]) <= MAX_NAME
        assert_settings(components, candidate)
        if request.deploy.planner is not None and candidate.deployment.mode == "disagg":
            (config,) = [doc for doc in documents if doc["kind"] == "ConfigMap"]
            budget = json.loads(config["data"]["planner_config.json"])["max_gpu_budget"]
            assert budget == request.hardware.total_gpus


def assert_settings(components, candidate):
    """The flags say the token budget and the request cap that were predicted, and no more than was asked."""
    pools = {"worker": 0, "prefill": 0, "decode": -1}
    for component in components:
        if component["type"] not in pools:
            continue
        pool = candidate.deployment.pools[pools[component["type"]]]
        (container,) = [c for c in component["podTemplate"]["spec"]["containers"] if c["name"] == "main"]
        moe = pool.plan.moe_tp * pool.plan.ep > 1
        read = parse_worker_args(candidate.deployment.backend, container["args"], moe=moe).engine
        assert read.max_num_batched_tokens == pool.engine.max_num_batched_tokens
        assert read.max_num_seqs == pool.engine.max_num_seqs
        assert read.speculative is (pool.engine.draft is not None)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(
    "draft",
    [
        Draft(method="mtp", tokens=2, acceptance=0.8),
        Draft(method="ngram", tokens=3, acceptance=0.5),
        Draft(method="eagle", tokens=4, acceptance=0.7, model="org/head"),
    ],
)
def test_a_draft_is_written_for_every_engine(backend, draft):
    """Chosen by its acceptance of one: taken for granted here, so that it is always the better choice."""
    sure = replace(draft, acceptance=1.0)
    _, found = answered(
        Request(
            model="deepseek-ai/DeepSeek-R1", backend=backend, modes=("agg",), tuning=Tuning(draft=sure),
            hardware=Hardware(gpu="h200_sxm", total_gpus=8), workload=Workload(concurrency=2.0),
        )
    )  # fmt: skip
    assert isinstance(found, Recommendation)
    text = " ".join(
        arg
        for component in dgd_documents(found, found.selected)[-1]["spec"]["components"]
        for container in component["podTemplate"]["spec"]["containers"]
        for arg in container.get("args", ())
    )
    words = {
        ("vllm", "mtp"): '{"method":"mtp","num_speculative_tokens":2}',
        ("vllm", "ngram"): '"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":4',
        ("vllm", "eagle"): '"method":"eagle3","num_speculative_tokens":4,"model":"org/head"',
        ("sglang", "mtp"): "--speculative-algorithm EAGLE --speculative-num-draft-tokens 3",
        ("sglang", "ngram"): "--speculative-algorithm NGRAM --speculative-num-draft-tokens 4",
        ("sglang", "eagle"): "--speculative-draft-model-path org/head --speculative-num-steps 4",
        ("trtllm", "mtp"): "speculative_config.num_nextn_predict_layers 2",
        ("trtllm", "ngram"): "speculative_config.decoding_type NGram",
        ("trtllm", "eagle"): "speculative_config.speculative_model org/head",
    }
    assert words[backend, draft.method] in text
    assert any("acceptance is taken as given" in warning for warning in found.request.warnings)
