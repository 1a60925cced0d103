"""No prediction beats the roofline: weights in use are read once a step, a prompt takes its arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.memory import weight_bytes_per_gpu
from perfmodels.model.params import active_params, embedding_params
from perfmodels.model.shape import MoeFfn
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.engine_models import engine_model, served_precision
from simkit.catalog.gpus import gpu
from simkit.catalog.model_lookup import model_names
from simkit.catalog.models import load_model
from simkit.closed_form.aggregated_loop import Procedure
from simkit.closed_form.deployment_table import PoolRows, row_outcomes, row_work
from simkit.core.workload import Lengths
from simkit.engines.support import unsupported

PROMPT = 1024.0
GPUS = ("a100_sxm", "h200_sxm", "gb300", "l40s")
ENGINES = ("vllm", "sglang", "trtllm")


def active_bytes(shape, precision):
    """Bytes of the weights that one token passes through, on one GPU, the embedding table left out."""
    used = tuple(
        replace(group, num_experts=group.top_k) if isinstance(group, MoeFfn) else group for group in shape.ffn
    )
    whole = weight_bytes_per_gpu(replace(shape, ffn=used), precision, PlanArray.of([ParallelPlan()]))
    return float(whole[0]) - 2.0 * embedding_params(shape)


@pytest.mark.parametrize("turn", range(len(GPUS)))
def test_the_whole_catalogue(turn):
    """Every model once on every GPU, by another engine each time."""
    device = gpu(GPUS[turn])
    for number, name in enumerate(model_names()):
        model, backend = load_model(name), ENGINES[(number + turn) % len(ENGINES)]
        precision = served_precision(model.precision, backend)
        if number % len(GPUS) != turn and number % 3:
            continue
        if not unsupported(backend, device, precision):
            _check(engine_model(model, device, backend), name, precision)


def _check(engine, name, precision):
    shape, device, sizes = engine.shape, engine.device, np.array([1, 8])
    plans = [ParallelPlan(tp=tp, moe_tp=tp if shape.is_moe else 1) for tp in sizes]
    rows = PoolRows(plan=PlanArray.of(plans), workers=np.ones(2))
    work = row_work(engine, (rows,), (Lengths(isl_tokens=PROMPT, osl_tokens=256.0), np.ones(2)), Procedure())
    read = active_bytes(shape, precision) / sizes / device.memory_bytes_per_s
    flop = 2.0 * (active_params(shape) - embedding_params(shape)) * (PROMPT - 1) / sizes
    peak = max(device.peak(fmt) for fmt in ("bf16", "fp8", "fp4"))
    for corrected in (False, True):
        found = row_outcomes(work, corrected=corrected)
        assert (found.itl_s >= 0.99 * read).all(), (name, found.itl_s / read)
        assert (found.ttft_s >= flop / peak).all(), (name, found.ttft_s)
