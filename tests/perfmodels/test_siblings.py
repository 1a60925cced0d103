"""Operator models beside their siblings: faults are left out or held, whoever agrees stays as it is."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.op_fit.siblings import AGREE, HOLD, REJECT, judged
from perfmodels.op_times.families import FAMILIES
from perfmodels.op_times.family import OperatorModel, OpKey
from perfmodels.op_times.grid import GridAxis, GridModel
from simkit.catalog.gpus import gpu
from simkit.catalog.operators import (
    JUDGED,
    doubted_tables,
    fitted_gpus,
    judged_records,
    operator_models,
)
from simkit.io.paths import data_dir

KNOTS = (64.0, 512.0, 4096.0)
AXES = tuple(GridAxis(name=name, knots=KNOTS) for name in ("m", "n", "k"))
SIZES = np.meshgrid(KNOTS, KNOTS, KNOTS, indexing="ij")
HONEST = np.log(5e-6 + 2.0 * np.prod(SIZES, axis=0) / 4e14)


def product(engine, log_time=HONEST, where="h100_sxm"):
    key = OpKey(family="gemm", gpu=where, engine=engine, variant="bf16")
    grid = GridModel(axes=AXES, log_time=log_time.astype(np.float32))
    return OperatorModel(key=key, version="1", grid=grid, rows=100)


def engines(models):
    return [model.key.engine for model in models]


@pytest.mark.parametrize("factor", [20.0, 1 / 4])
def test_a_model_far_off_its_siblings_is_left_out_and_named(factor):
    off = product("vllm", HONEST + np.log(factor))
    kept, verdicts = judged([product("sglang"), off, product("trtllm")], gpu)
    assert engines(kept) == ["sglang", "trtllm"]
    assert [(v.engine, v.verdict) for v in verdicts] == [("vllm", "rejected")]
    assert verdicts[0].siblings == ("sglang on h100_sxm", "trtllm on h100_sxm")


def test_the_order_does_not_matter():
    models = [product("sglang"), product("vllm", HONEST + 3.0), product("trtllm", HONEST + 0.1)]
    for order in (models, models[::-1]):
        assert sorted(engines(judged(order, gpu)[0])) == ["sglang", "trtllm"]


def test_knots_are_held_to_two_engines_that_agree():
    """A ninth of the grid too slow: beyond 1.5 times the others, the slower the less it is believed."""
    off = HONEST.copy()
    off[2, 2, :] += np.log([1.4, 1.8, 2.5])
    kept, verdicts = judged([product("sglang"), product("trtllm"), product("vllm", off)], gpu)
    held = kept[2].grid.log_time - HONEST
    assert held[2, 2] == pytest.approx(np.log([1.4, HOLD**2 / 1.8, 1.0]), abs=1e-3)
    assert np.abs(held[:2]).max() < 1e-3
    assert verdicts[0].verdict == "held"
    assert kept[2].held_knots == pytest.approx(verdicts[0].knots) == pytest.approx(2 / 27, rel=0.01)


def test_one_engine_beside_another_proves_nothing_below_the_bound_of_rejection():
    off = product("vllm", HONEST + np.log(0.9 * REJECT))
    kept, verdicts = judged([product("sglang"), off], gpu)
    assert engines(kept) == ["sglang", "vllm"]
    assert verdicts == []


def test_engines_that_disagree_hold_nobody_tightly():
    models = [product("sglang", HONEST + np.log(1.2 * AGREE)), product("trtllm"), product("vllm")]
    kept, _ = judged([*models[:2], replace(models[2])], gpu)
    assert np.allclose(kept[2].grid.log_time, HONEST, atol=1e-5)


def test_a_table_that_runs_contradict_is_left_out_and_has_no_say():
    """Twice as slow as the only other engine, which alone would not be enough to reject or to hold it."""
    slow, other = product("sglang", HONEST + np.log(2.0)), product("vllm")
    kept, verdicts = judged([slow, other], gpu, {slow.key})
    assert engines(kept) == ["vllm"]
    assert kept[0] is other
    assert [(v.engine, v.verdict, v.ratio) for v in verdicts] == [("sglang", "rejected", 2.0)]


def test_what_runs_contradict_is_not_shipped():
    folder = data_dir() / "operators"
    tables = doubted_tables(folder)
    assert tables
    for table in tables:
        assert table.error_with_relatives < 0.5 * table.error
        assert not [key for name in table.gpus for key in operator_models(name, folder) if table.covers(key)]


def test_links_of_other_gpus_are_no_siblings():
    axes = (GridAxis(name="message_bytes", knots=(1e3, 1e6)), GridAxis(name="group", knots=(2.0, 8.0)))
    grids = {"h100_sxm": 1e-5, "l40s": 1e-3}
    models = [
        OperatorModel(
            key=OpKey(family="all_reduce", gpu=name, engine="vllm", variant="graph"), version="1", rows=100,
            grid=GridModel(axes=axes, log_time=np.full((2, 2), np.log(time), dtype=np.float32)),
        )
        for name, time in grids.items()
    ]  # fmt: skip
    assert judged(models, gpu) == (models, [])


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.sizes_at], ids=lambda f: f.name)
def test_sizes_at_gives_back_the_coordinates(family):
    rng = np.random.default_rng(1)
    at = [np.exp(rng.uniform(np.log(a.knots[0]), np.log(a.knots[-1]), 50)) for a in family.axes]
    if family.name == "attention_prefill":  # no head of keys serves more heads than there are
        at[2] = np.minimum(at[2], at[0])
    found = family.coordinates(family.sizes_at(at))
    for wanted, value in zip(at, found, strict=True):
        assert np.allclose(wanted, value, rtol=1e-6), family.name


def test_the_shipped_record_names_what_is_not_shipped():
    records = judged_records(data_dir() / "operators")
    assert (data_dir() / "operators" / JUDGED).is_file()
    shipped = {
        (k.family, k.gpu, k.engine, k.variant): m
        for n in fitted_gpus()
        for k, m in operator_models(n).items()
    }
    for row in records:
        key = tuple(row[name] for name in ("family", "gpu", "engine", "variant"))
        assert (key in shipped) is (row["verdict"] == "held"), key
        if row["verdict"] == "held":
            assert shipped[key].held_knots == row["knots"]
    assert ("gemm", "gb200", "vllm", "fp8_block") not in shipped
    assert sum(model.held_knots > 0 for model in shipped.values()) == sum(
        r["verdict"] == "held" for r in records
    )
