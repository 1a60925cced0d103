"""The shipped operator models: what the manifest says, and what physics demands of every one of them."""

import hashlib
import json

import numpy as np
import pytest

from perfmodels.op_times.families import FAMILIES
from perfmodels.op_times.families.sparse import attends_densely
from perfmodels.op_times.family import light_time_s
from simkit.catalog.gpus import gpu
from simkit.catalog.operators import artifact_bytes, fitted_gpus, gpu_models, operator_models
from simkit.io.paths import data_dir

FOLDER = data_dir() / "operators"
GPUS = fitted_gpus()
MOST_BYTES = 20e6
STEP = 1.01  # neighbours on the wide grid are one percent apart
JUMP = 1.10
POINTS = 400
FLOAT = 1e-6


def models(name):
    return list(operator_models(name).values())


def wide_sizes(model, rng):
    """Sizes from a quarter of the smallest knot to four times the largest, whole numbers, log-uniform."""
    low, high = 1.0, 2.0**18
    dims = {
        name: np.rint(np.exp(rng.uniform(np.log(low), np.log(high), POINTS)))
        for name in FAMILIES[model.key.family].dims
    }
    if "kv_heads" in dims:
        dims["kv_heads"] = np.minimum(dims["kv_heads"], dims["heads"])
    if "experts" in dims:
        dims["topk"] = np.minimum(dims["topk"], dims["experts"])
    return dims


def test_the_manifest_names_every_file_and_its_hash():
    manifest = json.loads((FOLDER / "MANIFEST.json").read_text())
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in FOLDER.glob("*.npz")}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == hashes
    assert manifest["origin"]["licence"] == "Apache-2.0"
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < MOST_BYTES


def test_the_gpus_with_tables_are_there():
    measured = {"a100_sxm", "b200_sxm", "b300_sxm", "b60", "gb200", "gb300", "h100_sxm", "h200_sxm", "l40s"}
    assert measured | {"rtx_pro_6000_server"} == set(GPUS)


@pytest.mark.parametrize("name", GPUS)
def test_reading_and_writing_give_the_same_bytes(name):
    stored = (FOLDER / f"{name}.npz").read_bytes()
    assert artifact_bytes(models(name), gpu_models(name).links) == stored


@pytest.mark.parametrize("name", GPUS)
def test_time_is_positive_and_never_falls_with_work(name):
    for model in models(name):
        grid = model.grid.log_time
        assert np.isfinite(grid).all(), model.key
        for position, axis in enumerate(model.grid.axes):
            if axis.monotone:
                assert (np.diff(grid, axis=position) >= 0).all(), (model.key, axis.name)


@pytest.mark.parametrize("name", GPUS)
def test_neighbours_differ_by_a_tenth_at_most_save_at_tile_edges(name):
    for model in models(name):
        for position, axis in enumerate(model.grid.axes):
            gaps = np.diff(axis.log2_knots)
            smooth = gaps > np.log2(1.035)
            slopes = np.abs(np.diff(model.grid.log_time, axis=position))
            steep = np.moveaxis(slopes, position, -1) / (gaps * np.log(2.0))
            assert (STEP ** steep[..., smooth] <= JUMP).all(), (model.key, axis.name)


@pytest.mark.parametrize("name", GPUS)
def test_never_under_the_speed_of_light_on_a_wide_grid(name):
    device, rng = gpu(name), np.random.default_rng(5)
    for model in models(name):
        family, dims = FAMILIES[model.key.family], wide_sizes(model, rng)
        work = family.work(dims, model.key.variant)
        light = light_time_s(work, family.compute(model.key.variant), device)
        time = model.time_s(family, dims, light)
        assert np.isfinite(time).all(), model.key
        assert (time > 0).all(), model.key
        assert (time >= light * (1 - FLOAT)).all(), model.key


@pytest.mark.parametrize("name", GPUS)
def test_more_rows_never_take_less_time_on_a_wide_grid(name):
    """Along the size that a step varies: tokens, prompts, sequences or bytes."""
    device, rng = gpu(name), np.random.default_rng(6)
    grows = ("m", "num_tokens", "tokens", "prompts", "seqs", "message_bytes")
    for model in models(name):
        family, dims = FAMILIES[model.key.family], wide_sizes(model, rng)
        size = next(item for item in grows if item in dims)
        more = {**dims, size: dims[size] * STEP}
        compute = family.compute(model.key.variant)
        times = [
            model.time_s(family, d, light_time_s(family.work(d, model.key.variant), compute, device))
            for d in (dims, more)
        ]
        same = True
        if model.key.family == "dsa_prefill":
            same = attends_densely(dims) == attends_densely(more)
        assert ((times[1] >= times[0] * (1 - 1e-5)) | ~np.asarray(same)).all(), model.key


@pytest.mark.parametrize("name", GPUS)
def test_records_are_complete(name):
    for model in models(name):
        assert model.rows >= 12, model.key
        assert model.version, model.key
        assert (model.launch_bound_rows == 0) or model.filled_from, model.key
