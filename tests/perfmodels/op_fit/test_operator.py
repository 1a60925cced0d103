"""From rows to models: what timed the host or a cache is told apart, whole shapes are held out."""

import numpy as np
import pandas as pd
import pytest

from perfmodels.hardware import Device, Link
from perfmodels.op_fit.operator import Filler, fit_operator, held_out, launch_bound, shape_ids, trimmed_axes
from perfmodels.op_times.families.gemm import GEMM
from perfmodels.op_times.family import OpKey, light_time_s
from perfmodels.op_times.grid import GridAxis

KEY = OpKey(family="gemm", gpu="x", engine="vllm", variant="bf16")
FLOOR = 100e-6


@pytest.fixture
def device():
    link = Link(bandwidth_bytes_per_s=1e11, latency_s=1e-6)
    return Device(
        name="x", vendor="nvidia", generation="hopper", memory_bytes=8e10, memory_bytes_per_s=1e12,
        peak_flop_per_s={"bf16": 1e15}, intra_node=link, inter_node=link,
    )  # fmt: skip


@pytest.fixture
def rows():
    """Three quarters of the speed of light and 3 us, for 14 x 12 x 12 sizes."""
    sizes = [2.0**i for i in range(14)], [2.0**i for i in range(6, 15)], [2.0**i for i in range(6, 15)]
    m, n, k = (grid.ravel() for grid in np.meshgrid(*sizes, indexing="ij"))
    light = np.maximum(2 * m * n * k / 1e15, 2 * (n * k + m * k + m * n) / 1e12)
    return pd.DataFrame(
        {"m": m, "n": n, "k": k, "time_s": 3e-6 + light / 0.75, "kernel": "a", "version": "1"}
    )


@pytest.mark.slow
def test_a_planted_efficiency_is_found_on_shapes_left_out(rows, device):
    model = fit_operator(rows, GEMM, KEY, device)
    assert model.held_out_mdape < 0.03
    assert model.held_out_p90 < 0.08
    assert (model.rows, model.launch_bound_rows, model.cached_rows) == (len(rows), 0, 0)


def test_launch_bound_rows_are_told_from_kernels(rows, device):
    rows["time_s"] = np.maximum(rows["time_s"], FLOOR)
    light = light_time_s(GEMM.work(dict(rows[["m", "n", "k"]].items()), "bf16"), "bf16", device)
    found = launch_bound(rows, light, floor_s=20e-6)
    hidden = (rows["time_s"] == FLOOR).to_numpy() & (light < FLOOR / 3)
    assert found[hidden].all()
    assert not found[rows["time_s"] > 2 * FLOOR].any()
    assert not launch_bound(rows, light, floor_s=2 * FLOOR).any()


def test_launches_are_judged_kernel_by_kernel(rows, device):
    slow = rows.assign(kernel="b", time_s=np.maximum(rows["time_s"], FLOOR))
    both = pd.concat([rows, slow], ignore_index=True)
    light = light_time_s(GEMM.work(dict(both[["m", "n", "k"]].items()), "bf16"), "bf16", device)
    found = launch_bound(both, light, floor_s=20e-6)
    assert not found[: len(rows)].any()
    assert found[len(rows) :].any()


@pytest.mark.slow
def test_another_engines_kernel_fills_what_launches_hid(rows, device):
    twin = fit_operator(rows, GEMM, KEY, device)
    hidden = rows.assign(time_s=np.maximum(rows["time_s"], FLOOR))
    model = fit_operator(hidden, GEMM, KEY, device, Filler(model=twin, label="sglang 0.5"))
    assert model.filled_from == "sglang 0.5"
    assert model.launch_bound_rows > 0
    small = [np.array([1.0]), np.array([64.0]), np.array([64.0])]
    assert model.grid.time_s(small) < 5e-6
    assert fit_operator(hidden, GEMM, KEY, device).grid.time_s(small) == pytest.approx(FLOOR, rel=0.1)


@pytest.mark.slow
def test_a_table_of_launches_alone_is_left_to_others(rows, device):
    twin = fit_operator(rows, GEMM, KEY, device)
    hidden = rows.assign(time_s=1.0 + rows["time_s"])
    assert fit_operator(hidden, GEMM, KEY, device, Filler(model=twin, label="sglang 0.5")) is None


def test_rows_faster_than_memory_came_from_a_cache(rows, device):
    rows.loc[rows.index[::10], "time_s"] = 1e-9
    model = fit_operator(rows, GEMM, KEY, device)
    assert model.cached_rows == len(rows[::10])
    assert model.held_out_mdape < 0.03


def test_time_is_never_under_the_speed_of_light(rows, device):
    model = fit_operator(rows, GEMM, KEY, device)
    light = np.array([1.0, 1e-9])
    dims = {"m": np.full(2, 8.0), "n": np.full(2, 512.0), "k": np.full(2, 512.0)}
    assert model.time_s(GEMM, dims, light)[0] == 1.0
    assert model.time_s(GEMM, dims, light)[1] > 1e-9


def test_shapes_are_held_out_whole(rows):
    out, ids = held_out(rows, GEMM), shape_ids(rows, GEMM)
    assert 0.15 < out.mean() < 0.25
    assert not set(ids[out]) & set(ids[~out])
    assert not held_out(rows[(rows["n"] == 64) & (rows["k"] == 64)], GEMM).any()


def test_axes_end_where_the_data_end():
    axes = tuple(GridAxis(name=name, knots=(1, 2, 4, 8, 16, 32)) for name in "abc")
    data = [np.array([2.0, 8.0]), np.array([3.0, 9.0]), np.array([8.0, 8.0])]
    assert [axis.knots for axis in trimmed_axes(axes, data)] == [(2, 4, 8), (2, 4, 8, 16), (8.0,)]
