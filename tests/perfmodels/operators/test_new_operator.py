"""A new operator is one module: in a copy of the package it is read, fitted, priced and part of a step."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

ROPE = '''
"""Turning queries and keys by their positions: `elements` of all of them are read and written once."""

import numpy as np

from perfmodels.op_times.family import Columns, Dims, MeasuredFile, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis
from perfmodels.operators.record import Operator
from perfmodels.step import Pass


def _coordinates(dims: Dims) -> tuple:
    return columns(dims, "elements")


def _work(dims: Dims, variant: str) -> Work:
    (elements,) = columns(dims, "elements")
    return Work(hbm_bytes=4.0 * elements)


def _rows(table: Columns) -> Columns:
    return {"variant": table["rope_dtype"], "elements": table["num_tokens"] * table["width"]}


def _calls(question: Pass) -> list[Operator]:
    elements = np.asarray(question.step.tokens) * question.shape.hidden_size / question.plan.tp
    return [Operator(
        name="rope", family="rope", count=question.shape.num_layers, hbm_bytes=4.0 * elements,
        variant="bf16", dims={"elements": elements},
    )]


ROPE = OpFamily(
    name="rope",
    kind="elementwise",
    dims=("elements",),
    axes=(GridAxis(name="elements", knots=tuple(4096.0 * 4**i for i in range(9))),),
    coordinates=_coordinates,
    work=_work,
    compute=lambda variant: "bf16",
    shape_dims=("elements",),
    files=(MeasuredFile(file="rope_perf", rows=_rows),),
    calls=_calls,
)
'''

SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path

from perfmodels.model.dtypes import Precision
from perfmodels.op_times.pricing import Pricing, source
from perfmodels.operators.forward import forward_operators
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.step import Pass, Step
from perfmodels.steptime import step_time
from simkit.calibrate.fit_operators import fit_family
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.catalog.operator_tables import table_rows
from simkit.catalog.operators import learned_times

(model,) = fit_family("rope", table_rows(Path(sys.argv[1]), "rope"))
times = learned_times(gpu("h200_sxm"), "vllm")
shipped = times.catalogue
mine = {"h200_sxm": {model.key: model}}
times = replace(times, catalogue=lambda name: {**shipped(name), **mine.get(name, {})})
question = Pass(
    shape=load_model("Qwen/Qwen3-32B").shape, precision=Precision(), plan=PlanArray.of([ParallelPlan(tp=2)]),
    step=Step(decode_seqs=64.0, decode_context_tokens=1000.0),
)
pricing = Pricing(device=gpu("h200_sxm"), learned=times)
rope = next(operator for operator in forward_operators(question) if operator.name == "rope")
print(json.dumps({
    "key": [model.key.family, model.key.gpu, model.key.engine, model.key.variant], "rows": model.rows,
    "source": source(rope, pricing), "step_s": float(step_time(question, pricing).by_operator["rope"].item()),
}))
"""

TOKENS = tuple(2**i for i in range(16))
WIDTH = 2560


def seconds(elements):
    """Three microseconds to start, then 2 TB/s."""
    return 3e-6 + 4.0 * elements / 2e12


@pytest.fixture
def tree(tmp_path):
    """The project with one more file, and a measured table of the operator."""
    pandas = pytest.importorskip("pandas")
    shutil.copytree(
        ROOT / "perfmodels", tmp_path / "perfmodels", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "simkit").symlink_to(ROOT / "simkit")
    (tmp_path / "perfmodels" / "op_times" / "families" / "rope.py").write_text(ROPE, encoding="utf-8")
    table = tmp_path / "tables" / "h200_sxm" / "rope" / "vllm" / "0.20.0" / "rope_perf.parquet"
    table.parent.mkdir(parents=True)
    pandas.DataFrame({
        "rope_dtype": "bfloat16", "num_tokens": TOKENS, "width": WIDTH, "kernel_source": "rope",
        "latency": [seconds(n * WIDTH) * 1e3 for n in TOKENS],
    }).to_parquet(table)  # fmt: skip
    return tmp_path


def test_one_module_is_read_fitted_priced_and_part_of_a_step(tree):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tree / "tables")], cwd=tree, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tree)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["key"] == ["rope", "h200_sxm", "vllm", "bf16"]
    assert found["rows"] == len(TOKENS)
    assert found["source"] == ""  # its own table, inside the measured sizes
    layers, hidden, tp, tokens = 64, 5120, 2, 64
    assert found["step_s"] == pytest.approx(layers * seconds(tokens * hidden / tp), rel=0.05)
