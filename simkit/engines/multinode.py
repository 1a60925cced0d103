"""How Dynamo's operator starts one engine over several nodes, and which plans it can start so.

The DGD holds the engine's plain command; the operator adds what differs between leader and workers.
"""

from simkit.engines.registry import engine_spec
from simkit.engines.spec import EngineShape, Launch

GROVE_ANNOTATION = "nvidia.com/enable-grove"
KAI_QUEUE_ANNOTATION = "nvidia.com/kai-scheduler-queue"


def launch(shape: EngineShape, gpus_per_pod: int) -> Launch:
    """The way in which the operator spreads the engine."""
    return engine_spec(shape.backend).multinode.launch(shape, gpus_per_pod)


def launch_problem(shape: EngineShape, *, gpus_per_pod: int, nodes: int) -> str | None:
    """Why the operator cannot start the engine over these nodes; None when it can."""
    if nodes < 2:
        return None
    return engine_spec(shape.backend).multinode.problem(shape, gpus_per_pod) or None
