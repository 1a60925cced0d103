"""The catalogue: every file loads, the names people use resolve, a new file is enough."""

import dataclasses
import json
import re
import time

import pytest

from perfmodels.dtypes import DTYPES
from perfmodels.units import MIB
from simkit.core.errors import InputError, UnknownNameError
from simkit.io.catalog import gpu, gpu_names, model_config, model_names, with_hardware
from simkit.io.gpus import _aliases
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


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name in ("gpus", "models"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SIMKIT_DATA", str(tmp_path))
    return tmp_path


# --- accelerators ----------------------------------------------------------------------------------


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
        ("vendor: acme", "vendor: [", "not YAML"),
    ],
)
def test_a_faulty_gpu_file_is_named_with_its_fault(data, old, new, message):
    (data / "gpus" / "acme_one.yaml").write_text(NEW_GPU.replace(old, new))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        gpu("acme_one")
    assert "acme_one" in str(error.value)
    assert "\n" not in str(error.value)


# --- models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", model_names())
def test_every_model_loads(name):
    entry = model_config(name)
    text = entry.config.get("text_config", entry.config)
    assert entry.name == name
    assert text["hidden_size"] > 0
    assert text["vocab_size"] > 1000
    assert entry.config["architectures"]
    assert entry.source
    path = data_dir() / "models" / f"{name.replace('/', '--')}.json"
    assert json.loads(path.read_text())["id"] == name
    assert path.stat().st_size < 8000


def test_lists_of_excluded_modules_stay_short():
    for name in model_names():
        entry = model_config(name)
        quant = (entry.hf_quant_config or {}).get("quantization", {})
        assert len(quant.get("exclude_modules", ())) <= 20


@pytest.mark.parametrize(
    "name",
    [
        "MiniMaxAI/MiniMax-M2.5", "Qwen/Qwen3-32B", "Qwen/Qwen3.5-397B-A17B", "deepseek-ai/DeepSeek-R1",
        "deepseek-ai/DeepSeek-V3", "meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-8B-Instruct",
        "moonshotai/Kimi-K2.5", "nvidia/Llama-3.1-8B-Instruct-FP8", "openai/gpt-oss-120b",
        "meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct",
        "nvidia/Llama-3.1-70B-Instruct-FP8", "nvidia/Llama-3.1-70B-Instruct-FP4",
    ],
)  # fmt: skip
def test_ids_people_deploy_resolve_under_their_own_name(name):
    entry = model_config(name)
    assert entry.name == name
    assert entry.precision_hint is None


@pytest.mark.parametrize(
    ("name", "matched", "hint"),
    [
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "meta-llama/Meta-Llama-3.1-8B", "fp8"),
        (
            "neuralmagic/Meta-Llama-3.1-405B-Instruct-quantized.w4a16",
            "meta-llama/Meta-Llama-3.1-405B",
            "int4_wo",
        ),
        ("RedHatAI/Qwen3-32B-quantized.w8a8", "Qwen/Qwen3-32B", "int8"),
        ("Qwen/Qwen3-14B-FP8", "Qwen/Qwen3-14B", "fp8_block"),
        ("Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B", "int4_wo"),
        ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-72B-Instruct", "int4_wo"),
        ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8", "Qwen/Qwen2.5-72B-Instruct", "int8_wo"),
        ("nvidia/Qwen3-8B-NVFP4", "Qwen/Qwen3-8B", "nvfp4"),
        ("amd/DeepSeek-R1-MXFP4", "deepseek-ai/DeepSeek-R1", "mxfp4"),
        ("unsloth/gpt-oss-120b-BF16", "openai/gpt-oss-120b", "bf16"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1", None),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistralai/Mixtral-8x7B-v0.1", None),
    ],
)
def test_variants_fall_back_to_the_shape_of_their_base(name, matched, hint):
    entry = model_config(name)
    assert entry.name == name
    assert entry.precision_hint == hint
    assert hint is None or hint in DTYPES
    assert any(matched in note for note in entry.notes)
    assert entry.config == model_config(matched).config


@pytest.mark.parametrize(
    ("name", "deployed"),
    [
        ("qwen/qwen3-32b", "Qwen/Qwen3-32B"),
        ("Qwen3-32B", "Qwen/Qwen3-32B"),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_case_and_organisation_are_optional(name, deployed):
    assert model_config(name).name == deployed


def test_another_long_context_release_differs_only_there():
    longer, base = (model_config(f"Qwen/Qwen3-30B-A3B{tail}").config for tail in ("-Instruct-2507", ""))
    assert longer["max_position_embeddings"] == 262144
    assert {**longer, "max_position_embeddings": base["max_position_embeddings"]} == base


def test_a_quantised_entry_lends_its_shape_without_its_quantisation(data):
    config = {"hidden_size": 1, "text_config": {"quantization_config": {}}, "quantization_config": {"a": 1}}
    entry = {
        "id": "org/Tiny-1B-NVFP4",
        "source": "s",
        "config": config,
        "hf_quant_config": {"quantization": {}},
    }
    (data / "models" / "org--Tiny-1B-NVFP4.json").write_text(json.dumps(entry))
    found = model_config("else/Tiny-1B-Instruct-AWQ")
    assert found.config == {"hidden_size": 1, "text_config": {}}
    assert found.hf_quant_config is None
    assert found.precision_hint == "int4_wo"


@pytest.mark.parametrize("name", ["foo/bar", "Qwen3-33B", "Qwen/Qwen3-32B-GGUF", ""])
def test_an_unknown_model_is_refused_with_the_remedy(name):
    with pytest.raises(UnknownNameError, match=r"give a path to its config\.json"):
        model_config(name)


def test_a_near_miss_names_the_nearest_model():
    with pytest.raises(UnknownNameError, match="did you mean Qwen/Qwen3-32B"):
        model_config("Qwen3-33B")


def test_a_new_model_is_one_file(data):
    assert model_names() == []
    entry = {"id": "acme/One-7B", "source": "a page", "config": {"hidden_size": 8}}
    (data / "models" / "acme--One-7B.json").write_text(json.dumps(entry))
    derived = {"id": "acme/One-7B-Long", "like": "acme/One-7B", "source": "x", "config": {"window": 4}}
    (data / "models" / "acme--One-7B-Long.json").write_text(json.dumps(derived))
    assert model_names() == ["acme/One-7B", "acme/One-7B-Long"]
    assert model_config("one-7b").config == {"hidden_size": 8}
    assert model_config("acme/One-7B-Long").config == {"hidden_size": 8, "window": 4}


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("[]", "expected a JSON object"), ("{}", "field 'config'")]
)
def test_a_faulty_model_file_is_named_with_its_fault(data, text, message):
    (data / "models" / "acme--One-7B.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        model_config("acme/One-7B")
    assert "acme--One-7B.json" in str(error.value)


def test_a_local_folder_gives_its_own_config_and_size(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text('{"hidden_size": 16}')
    (folder / "hf_quant_config.json").write_text('{"quantization": {"quant_algo": "FP8"}}')
    assert model_config(str(folder)).weight_bytes is None
    (folder / "model.safetensors").write_bytes(b"1234")
    assert model_config(str(folder)).weight_bytes == 4
    (folder / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 12345}}')
    entry = model_config(str(folder / "config.json"))
    assert entry == model_config(str(folder))
    assert (entry.name, entry.weight_bytes) == (str(folder), 12345.0)
    assert entry.hf_quant_config == {"quantization": {"quant_algo": "FP8"}}


@pytest.mark.parametrize("path", ["./nowhere", "/no/such/folder", "~/no-such-folder", "absent.json"])
def test_a_missing_path_says_what_was_expected(path):
    with pytest.raises(InputError, match=r"expected a model folder with a config\.json"):
        model_config(path)


def test_an_id_is_read_as_a_path_only_where_a_config_lies(tmp_path, monkeypatch):
    (tmp_path / "Qwen" / "Qwen3-32B").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model_config("Qwen/Qwen3-32B").config["hidden_size"] == 5120
    (tmp_path / "Qwen" / "Qwen3-32B" / "config.json").write_text('{"hidden_size": 16}')
    assert model_config("Qwen/Qwen3-32B").config["hidden_size"] == 16


# --- where the data lies ---------------------------------------------------------------------------


def test_a_wrong_data_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="SIMKIT_DATA"):
        gpu_names()


def test_entries_are_immutable_and_lookups_quick():
    with pytest.raises(dataclasses.FrozenInstanceError):
        model_config("Qwen/Qwen3-32B").name = "other"
    started = time.perf_counter()
    for _ in range(20):
        model_config("RedHatAI/Qwen3-32B-FP8-dynamic")
    assert (time.perf_counter() - started) / 20 < 0.01
