"""Engines over several nodes: how each starts, and who schedules their pods."""

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import ClusterOptions
from simkit.engines.multinode import launch, launch_problem
from simkit.engines.spec import EngineShape

from .cluster_cases import agg, components, documents, main, request


def annotations(deployment=None, **cluster):
    return documents(deployment or agg("vllm"), request(**cluster))[-1]["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("backend", "plan", "expected"),
    [
        ("vllm", ParallelPlan(tp=8, pp=2), "distributed executor"),
        ("vllm", ParallelPlan(tp=2, attn_dp=8, ep=16), "data parallel"),
        ("sglang", ParallelPlan(attn_dp=16, ep=16), "dist-init"),
        ("trtllm", ParallelPlan(tp=16, moe_tp=16), "mpi"),
    ],
)
def test_each_engine_spans_nodes_in_its_own_way_with_the_plain_command(backend, plan, expected):
    assert launch(EngineShape.of(backend, plan), 8) == expected
    worker = components(agg(backend, plan), request())["worker"]
    assert worker["multinode"] == {"nodeCount": 2}
    assert main(worker)["resources"]["limits"]["nvidia.com/gpu"] == "8"
    text = " ".join([*main(worker)["command"], *main(worker)["args"]])
    for word in ("--node-rank", "--dist-init-addr", "--nnodes", "ray start", "mpirun", "--master-addr"):
        assert word not in text, "the operator adds what differs between nodes"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 2), "cannot combine 2 data-parallel ranks with ranks of 16 GPUs"),
        ((3, 8), "ranks of 3 GPUs do not fill nodes of 8"),
        ((16, 1), None),
        ((4, 4), None),
    ],
)
def test_what_vllm_cannot_start_over_nodes_is_refused(shape, expected):
    rank_gpus, ranks = shape
    found = launch_problem(
        EngineShape(backend="vllm", rank_gpus=rank_gpus, ranks=ranks), gpus_per_pod=8, nodes=4
    )
    assert (found is None) if expected is None else (expected in found)
    plan = ParallelPlan(tp=16, attn_dp=2, ep=32)
    if expected and rank_gpus == 16:
        with pytest.raises(InputError, match="worker: vLLM cannot combine"):
            components(agg("vllm", plan), request())


def test_grove_is_the_operators_default_and_lws_turns_it_off():
    assert not [key for key in annotations() if key.startswith("nvidia.com/")]
    assert "nvidia.com/enable-grove" not in annotations(orchestrator="grove")
    assert annotations(orchestrator="lws")["nvidia.com/enable-grove"] == "false"


def test_kai_takes_a_queue_and_goes_with_grove_alone():
    assert annotations(kai_queue="prod")["nvidia.com/kai-scheduler-queue"] == "prod"
    with pytest.raises(InputError, match="a KAI queue goes with Grove"):
        ClusterOptions(orchestrator="lws", kai_queue="prod")


def test_vllms_executor_over_nodes_can_be_chosen():
    key = "nvidia.com/vllm-distributed-executor-backend"
    assert annotations(vllm_executor="ray")[key] == "ray"
    assert key not in annotations(agg("sglang"), vllm_executor="ray")


@pytest.mark.parametrize("field", ["orchestrator", "vllm_executor"])
def test_unknown_choices_name_the_known_ones(field):
    with pytest.raises(UnknownNameError):
        ClusterOptions(**{field: "grov"})
