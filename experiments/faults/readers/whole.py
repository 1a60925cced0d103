"""Valid samples that damaged ones are compared with."""

import os
from functools import cache
from pathlib import Path
from typing import Any


@cache
def predicted() -> Any:
    """A benchmark's prediction."""
    from simkit.formats.prediction_files import read_prediction

    return read_prediction(Path(os.environ["FAULT_SAMPLES"]) / "bench")


@cache
def deployed() -> Any:
    """What was recommended."""
    from simkit.formats.dgd.read import read_dgd

    return read_dgd(Path(os.environ["FAULT_SAMPLES"]) / "rec" / "dgd.yaml").deployment


def request() -> Any:
    """A question about a model."""
    from simkit.core.request import Hardware, Request
    from simkit.core.workload import Workload

    load = Workload(isl_tokens=1000, osl_tokens=100, concurrency=16)
    return Request(model="Qwen/Qwen3-8B", hardware=Hardware(gpu="h200_sxm"), workload=load)
