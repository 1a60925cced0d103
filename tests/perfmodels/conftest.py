"""An accelerator of round numbers and small plans, so that results can be worked by hand."""

import pytest

from perfmodels.hardware import Device, Link
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.models import load_model


@pytest.fixture(scope="session")
def device():
    """1 PFLOP/s bf16, 1 TB/s memory, 100 GB/s inside a node of eight, 10 GB/s between nodes."""
    return Device(
        name="round",
        vendor="acme",
        generation="one",
        memory_bytes=100e9,
        memory_bytes_per_s=1e12,
        peak_flop_per_s={"bf16": 1e15, "fp8": 2e15},
        intra_node=Link(bandwidth_bytes_per_s=1e11, latency_s=1e-6),
        inter_node=Link(bandwidth_bytes_per_s=1e10, latency_s=1e-5),
    )


@pytest.fixture(scope="session")
def shape_of():
    """The shape of a catalogue model."""
    return lambda name: load_model(name).shape


@pytest.fixture(scope="session")
def plans():
    """A PlanArray from keyword dictionaries, one row each."""
    return lambda *rows: PlanArray.of([ParallelPlan(**row) for row in rows])
