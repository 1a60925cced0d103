"""The catalogue of GPUs: every file loads, the names people use resolve, a new file is enough."""

import re

import pytest

from perfmodels.units import MIB
from simkit.catalog.gpus import _aliases, gpu, gpu_names, with_hardware
from simkit.core.errors import InputError, UnknownNameError
from simkit.io.paths import data_dir

DGDR_SKUS = (
    "vr_nvl72", "gb200", "gb200_sxm", "gb10", "b300_sxm", "b200_sxm", "h200_sxm", "h100_sxm", "h100_pcie",
    "a100_sxm", "a100_pcie", "a30", "l40s", "l40", "l4", "v100_sxm", "v100_pcie", "t4", "mi200", "mi300",
)  # fmt: skip


NEW_GPU = """
vendor: acme
generation: one
memory_mib: 65536
memory_bandwidth_gb_per_s: 1000
dense_tflops: {bf16: 100}
link_gb_per_s_per_direction: 200
link_domain_gpus: 4
pcie_gb_per_s: 32
inter_node_gb_per_s: 25
gpus_per_node: 4
confidence: high
source: {datasheet: a page}
aliases: [Acme One Turbo]
"""


@pytest.mark.parametrize("name", gpu_names())
def test_every_gpu_has_sane_numbers(name):
    device = gpu(name)
    assert device.name == name
    assert 14 * 1024 <= device.memory_bytes / MIB <= 300 * 1024
    assert 0.2e12 <= device.memory_bytes_per_s <= 25e12
    assert 50e12 <= device.peak("bf16") <= 5e15
    # a format half as wide is at most 2x faster; Rubin's and Blackwell Ultra's fp4 and fp8 go beyond
    assert 1 <= device.peak("fp4") / device.peak("bf16") <= 9
    assert 1e-6 <= device.intra_node.latency_s <= 2e-5
    assert device.intra_node.bandwidth_bytes_per_s >= 16e9
    assert device.link_domain_gpus >= device.gpus_per_node >= 1
    assert device.source


@pytest.mark.parametrize("name", gpu_names())
def test_every_gpu_file_states_its_memory_near_nominal(name):
    text = (data_dir() / "gpus" / f"{name}.yaml").read_text()
    nominal_gb = float(re.search(r"^memory_gb_nominal: (.*)$", text, re.M)[1])
    assert gpu(name).memory_bytes == pytest.approx(nominal_gb * 1e9, rel=0.1)


@pytest.mark.parametrize("sku", DGDR_SKUS)
def test_every_dgdr_sku_resolves(sku):
    assert gpu(sku).name == sku.replace("gb200_sxm", "gb200")


@pytest.mark.parametrize(
    ("name", "sku"),
    [
        ("H100-SXM5-80GB", "h100_sxm"),
        ("NVIDIA H100 80GB HBM3", "h100_sxm"),
        ("NVIDIA-H100-80GB-HBM3", "h100_sxm"),
        ("h100 80 GB", "h100_sxm"),
        ("NVIDIA H100 PCIe", "h100_pcie"),
        ("NVIDIA H100 NVL", "h100_nvl"),
        ("NVIDIA-H200", "h200_sxm"),
        ("B200", "b200_sxm"),
        ("NVIDIA B300 SXM6 AC", "b300_sxm"),
        ("NVIDIA-GB200", "gb200"),
        ("A100-SXM4-80GB", "a100_sxm"),
        ("NVIDIA-A100-SXM4-40GB", "a100_sxm_40"),
        ("NVIDIA A100 80GB PCIe", "a100_pcie"),
        ("NVIDIA A100-PCIE-40GB", "a100_pcie_40"),
        ("Tesla V100-SXM2-16GB", "v100_sxm_16"),
        ("Tesla-T4", "t4"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA GH200 480GB", "gh200_96"),
        ("AMD Instinct MI300X OAM", "mi300"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx_pro_6000_server"),
        ("NVIDIA H20", "h20_sxm"),
        ("NVIDIA H20-3e", "h20_141"),
        ("H20 141GB", "h20_141"),
        ("NVIDIA L20", "l20"),
        ("NVIDIA GeForce RTX 3090", "rtx_3090"),
        ("NVIDIA GeForce RTX 5090", "rtx_5090"),
        ("NVIDIA RTX A6000", "rtx_a6000"),
    ],
)
def test_product_names_resolve(name, sku):
    assert gpu(name).name == sku


@pytest.mark.parametrize("name", ["h300", "H100 96GB", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", ""])
def test_an_unknown_gpu_is_refused_in_one_line(name):
    with pytest.raises(UnknownNameError, match="data/gpus") as error:
        gpu(name)
    assert "\n" not in str(error.value)


def test_a_near_miss_names_the_nearest_gpu():
    with pytest.raises(UnknownNameError, match=r"did you mean.*h100_sxm"):
        gpu("h100_smx")


def test_aliases_are_unique_and_hide_no_sku():
    known = gpu_names()
    listed = [alias for sku in known for alias in _aliases([sku])]
    assert len(listed) == len(set(listed))
    assert not set(listed) & set(known)


def test_units_become_si():
    device = gpu("h100_sxm")
    assert device.memory_bytes == 81559 * 2**20
    assert device.memory_bytes_per_s == 3.35e12
    assert device.peak("fp8") == pytest.approx(1978.9e12)
    assert device.intra_node.bandwidth_bytes_per_s == 450e9


def test_bridged_cards_use_pcie_inside_a_node():
    device = gpu("h100_pcie")
    assert device.intra_node.bandwidth_bytes_per_s == 64e9
    assert device.link_domain_gpus == device.gpus_per_node == 8


def test_hardware_overrides():
    hgx = with_hardware(gpu("h100_sxm"), gpus_per_node=4, vram_mb=40960)
    assert (hgx.gpus_per_node, hgx.link_domain_gpus, hgx.memory_bytes) == (4, 4, 40960 * 2**20)
    assert with_hardware(gpu("gb200"), gpus_per_node=8).link_domain_gpus == 72
    assert with_hardware(gpu("l4")) == gpu("l4")
    with pytest.raises(InputError, match="at least 1"):
        with_hardware(gpu("l4"), gpus_per_node=0)
    with pytest.raises(InputError, match="MiB"):
        with_hardware(gpu("l4"), vram_mb=-1)


def test_a_new_gpu_is_one_file(data):
    (data / "gpus" / "acme_one.yaml").write_text(NEW_GPU)
    assert gpu_names() == ["acme_one"]
    device = gpu("ACME One")
    assert device.memory_bytes == 64 * 2**30
    assert device.intra_node.bandwidth_bytes_per_s == 200e9
    assert gpu("acme-one-turbo") == device


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("memory_mib: 65536", "memory_mb: 65536", "unknown field 'memory_mb'; did you mean memory_mib"),
        ("vendor: acme\n", "", "lacks vendor"),
        ("memory_mib: 65536", "memory_mib: -1", "memory_mib: expected a positive number"),
        ("dense_tflops: {bf16: 100}", "dense_tflops: {}", "no peak rate"),
        ("dense_tflops: {bf16: 100}", "dense_tflops: [true]", "expected rates by format"),
        ("vendor: acme", "vendor: [", "not YAML"),
    ],
)
def test_a_faulty_gpu_file_is_named_with_its_fault(data, old, new, message):
    (data / "gpus" / "acme_one.yaml").write_text(NEW_GPU.replace(old, new))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        gpu("acme_one")
    assert "acme_one" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_data_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="SIMKIT_DATA"):
        gpu_names()
