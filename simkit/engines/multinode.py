"""How Dynamo's operator starts one engine over several nodes, and which plans it can start so.

The DGD holds the engine's plain command; the operator adds what differs between leader and workers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from perfmodels.parallel import ParallelPlan

Launch = Literal["distributed executor", "data parallel", "dist-init", "mpi"]

GROVE_ANNOTATION = "nvidia.com/enable-grove"
KAI_QUEUE_ANNOTATION = "nvidia.com/kai-scheduler-queue"
VLLM_EXECUTOR_ANNOTATION = "nvidia.com/vllm-distributed-executor-backend"

# Flags the operator writes itself on the nodes of an engine.
INJECTED: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "vllm": (
        "--nnodes", "--node-rank", "--master-addr", "--master-port", "--headless",
        "--distributed-executor-backend", "--data-parallel-address", "--data-parallel-size-local",
        "--data-parallel-start-rank", "--data-parallel-rpc-port",
    ),
    "sglang": ("--dist-init-addr", "--nccl-init-addr", "--nnodes", "--node-rank"),
    "trtllm": (),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShape:
    """What decides the launch: the engine, one rank's GPUs, and data-parallel ranks."""

    backend: str
    rank_gpus: int  # tensor times pipeline parallel size of one rank
    ranks: int

    @classmethod
    def of(cls, backend: str, plan: ParallelPlan) -> "EngineShape":
        """The shape of a plan."""
        return cls(backend=backend, rank_gpus=plan.tp * plan.pp, ranks=plan.attn_dp)


def launch(shape: EngineShape, gpus_per_pod: int) -> Launch:
    """The way in which the operator spreads the engine.

    SGLang: every node runs the command with --dist-init-addr, --nnodes and its --node-rank. TensorRT-LLM:
    mpirun on the leader, ssh daemons elsewhere. vLLM: Ray or its own executor where one rank is larger
    than a node, else data-parallel ranks that find each other by address.
    """
    if shape.backend == "sglang":
        return "dist-init"
    if shape.backend == "trtllm":
        return "mpi"
    return "distributed executor" if shape.rank_gpus > gpus_per_pod else "data parallel"


def launch_problem(shape: EngineShape, *, gpus_per_pod: int, nodes: int) -> str | None:
    """Why the operator cannot start the engine over these nodes; None when it can."""
    if shape.backend != "vllm" or nodes < 2:
        return None
    if launch(shape, gpus_per_pod) == "distributed executor":
        if shape.ranks == 1:
            return None
        return (
            f"vLLM cannot combine {shape.ranks} data-parallel ranks with ranks of {shape.rank_gpus} GPUs "
            f"that span nodes of {gpus_per_pod}; keep each rank within a node, or one rank per engine"
        )
    if gpus_per_pod % shape.rank_gpus:
        return (
            f"vLLM's data-parallel ranks of {shape.rank_gpus} GPUs do not fill nodes of {gpus_per_pod}; "
            "choose a rank size that divides a node"
        )
    return None
