"""Accelerators: what must hold of one, and which unit really multiplies."""

from dataclasses import replace

import pytest

from perfmodels.hardware import Link


@pytest.mark.parametrize(("bandwidth", "latency"), [(0, 1e-6), (-1, 1e-6), (1e9, -1e-9)])
def test_links_carry_something(bandwidth, latency):
    with pytest.raises(ValueError, match="positive bandwidth and non-negative latency"):
        Link(bandwidth_bytes_per_s=bandwidth, latency_s=latency)


@pytest.mark.parametrize(
    "wrong",
    [{"memory_bytes": 0}, {"memory_bytes_per_s": -1.0}, {"gpus_per_node": 0}, {"link_domain_gpus": 4}],
)
def test_devices_have_memory_and_reach(device, wrong):
    with pytest.raises(ValueError, match="device round: memory, bandwidth"):
        replace(device, **wrong)


def test_a_device_multiplies_something(device):
    with pytest.raises(ValueError, match="no peak rate"):
        replace(device, peak_flop_per_s={})


def test_native_units_are_used(device):
    assert device.compute_format("fp8") == "fp8"
    assert device.peak("fp8") == 2e15


def test_formats_without_units_fall_back_to_wider_ones(device):
    # A100: no FP8 and no FP4 units; weights are unpacked to 16 bits. V100 has no bfloat16 either.
    ampere = replace(device, peak_flop_per_s={"bf16": 312e12, "fp16": 312e12, "int8": 624e12})
    assert {name: ampere.compute_format(name) for name in ("fp4", "fp8", "int8", "bf16", "tf32")} == {
        "fp4": "bf16", "fp8": "bf16", "int8": "int8", "bf16": "bf16", "tf32": "bf16",
    }  # fmt: skip
    volta = replace(device, peak_flop_per_s={"fp16": 125e12})
    assert {volta.compute_format(name) for name in ("fp4", "fp8", "int8", "bf16", "unheard")} == {"fp16"}


def test_some_rate_is_always_found(device):
    odd = replace(device, peak_flop_per_s={"fp6": 1e15})
    assert odd.peak("bf16") == 1e15
