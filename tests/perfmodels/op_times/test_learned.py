"""Who answers for an operator: its own table, else the nearest relative, scaled and with the reason."""

import numpy as np
import pytest

from perfmodels.hardware import Device, Link
from perfmodels.op_times.families.gemm import GEMM
from perfmodels.op_times.family import LAUNCH_S, OperatorModel, OpKey
from perfmodels.op_times.grid import GridAxis, GridModel
from perfmodels.op_times.learned import LearnedTimes, variant_distance, version_key

DIMS = {"m": np.array([1024.0]), "n": np.array([8192.0]), "k": np.array([8192.0])}
LIGHT_S = 2 * 1024 * 8192 * 8192 / 1e15  # compute-bound on the device below


def device(name, speed=1.0):
    link = Link(bandwidth_bytes_per_s=1e11, latency_s=1e-6)
    return Device(
        name=name, vendor="nvidia", generation="hopper", memory_bytes=8e10, memory_bytes_per_s=4e12 * speed,
        peak_flop_per_s={"bf16": 1e15 * speed, "fp8": 2e15 * speed}, intra_node=link, inter_node=link,
    )  # fmt: skip


def model(gpu, engine, variant, seconds):
    axes = tuple(GridAxis(name=name, knots=(1.0, 65536.0)) for name in "mnk")
    grid = GridModel(axes=axes, log_time=np.full((2, 2, 2), np.log(seconds), dtype=np.float32))
    key = OpKey(family="gemm", gpu=gpu, engine=engine, variant=variant)
    return OperatorModel(key=key, version="1.0", grid=grid, rows=1)


def times(models, engine="vllm", gpus=("own", "other")):
    known = {"own": device("own"), "other": device("other", 2.0), "third": device("third", 0.5)}
    catalogue = {name: {} for name in known}
    for item in models:
        catalogue[item.key.gpu][item.key] = item
    return LearnedTimes(
        device=known["own"], engine=engine, gpus=tuple(known[name] for name in gpus),
        catalogue=catalogue.__getitem__, links=lambda name: {},
    )  # fmt: skip


def test_its_own_table_answers_without_a_reason():
    learned = times([model("own", "vllm", "bf16", 1.0), model("own", "sglang", "bf16", 2.0)])
    assert learned.pick(GEMM, "bf16").reason == ""
    assert learned.time_s(GEMM, "bf16", DIMS) == pytest.approx(1.0)
    assert learned.inside(GEMM, "bf16", DIMS).all()


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ([("own", "sglang", "bf16"), ("other", "vllm", "bf16")], "sglang's kernel"),
        ([("own", "vllm", "fp8"), ("other", "vllm", "bf16")], "gemm as on other"),
        ([("own", "vllm", "fp8"), ("third", "vllm", "fp8")], "as fp8, not bf16"),
    ],
)
def test_the_nearest_relative_answers(known, reason):
    learned = times([model(*key, 1.0) for key in known], gpus=("own", "other", "third"))
    assert learned.pick(GEMM, "bf16").reason == reason
    assert not learned.inside(GEMM, "bf16", DIMS).any()


def test_another_engines_time_is_taken_as_it_is():
    learned = times([model("own", "sglang", "bf16", 3.0)])
    assert learned.time_s(GEMM, "bf16", DIMS) == pytest.approx(3.0)


def test_another_gpus_time_is_scaled_by_the_speeds_of_light():
    # `other` is twice as fast: its light is half, so its time counts double (launch aside)
    learned = times([model("other", "vllm", "bf16", 1.0)])
    expected = (LAUNCH_S + LIGHT_S) / (LAUNCH_S + LIGHT_S / 2)
    assert learned.time_s(GEMM, "bf16", DIMS) == pytest.approx(expected)


def test_another_format_is_scaled_by_its_work():
    learned = times([model("own", "vllm", "fp8", 1.0)])
    expected = (LAUNCH_S + LIGHT_S) / (LAUNCH_S + LIGHT_S / 2)
    assert learned.time_s(GEMM, "bf16", DIMS) == pytest.approx(expected)


def test_no_relative_no_answer():
    assert times([]).time_s(GEMM, "bf16", DIMS) is None
    assert times([]).pick(GEMM, "bf16") is None


def test_the_quickest_of_an_engines_kernels_answers():
    models = [model("own", "vllm", "bf16", 3.0), model("own", "vllm", "bf16:triton", 2.0)]
    models += [model("own", "vllm", "bf16:ungated", 1.0), model("own", "sglang", "bf16", 1.0)]
    assert times(models).time_s(GEMM, "bf16", DIMS) == pytest.approx(2.0)
    assert times(models).pick(GEMM, "bf16").reason == ""


def test_where_the_engine_has_none_the_quickest_engine_lends():
    models = [model("own", "sglang", "bf16", 3.0), model("own", "trtllm", "bf16", 2.0)]
    assert times(models).time_s(GEMM, "bf16", DIMS) == pytest.approx(2.0)


def test_versions_are_counted_not_spelled():
    mixed = ["1.3.0rc20", "0.5.10", "0.5.9", "1.3.0rc9", "0.5.6.post2", "0.1.dev19262"]
    ordered = ["0.1.dev19262", "0.5.6.post2", "0.5.9", "0.5.10", "1.3.0rc9", "1.3.0rc20"]
    assert sorted(mixed, key=version_key) == ordered


def distance(wanted, known):
    return variant_distance(wanted, known, device("own"))


def test_distances_between_variants():
    assert distance("bf16", "bf16") == 0
    mixed = ["fp8/d96/full", "bf16/d64/full", "bf16/d96/full", "bf16/d128/full"]
    ranked = ["bf16/d96/full", "bf16/d128/full", "bf16/d64/full", "fp8/d96/full"]
    assert sorted(mixed, key=lambda known: distance("bf16/d96/full", known)) == ranked
    # four-bit weights are multiplied in 16 bits where there are no four-bit units
    assert distance("nvfp4", "bf16") < distance("nvfp4", "fp8")
    assert distance("fp8_block", "fp8") < distance("fp8_block", "bf16")
    assert np.isinf(distance("fp8/full", "fp8"))
