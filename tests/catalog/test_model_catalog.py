"""The catalogue of models: every file loads, the names people use resolve, a new file is enough."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from perfmodels.model.dtypes import DTYPES
from simkit.catalog.model_lookup import model_config, model_names
from simkit.catalog.models import load_model
from simkit.core.errors import InputError, UnknownNameError
from simkit.io.paths import data_dir


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
    ("text", "message"), [("{", "not valid JSON"), ("[]", "expected a JSON object"), ("{}", "field 'config'")]
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


def test_entries_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        model_config("Qwen/Qwen3-32B").name = "other"


def test_a_lookup_reads_no_more_than_its_own_files(monkeypatch):
    """Neither the exact name nor that of a variant opens the whole catalogue."""
    opened = []
    plain = os.open

    def counting(path, *args, **kwargs):
        opened.append(Path(path))
        return plain(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", counting)
    model_config("Qwen/Qwen3-32B")
    model_config("RedHatAI/Qwen3-32B-FP8-dynamic")
    assert 1 <= len([path for path in opened if path.suffix == ".json"]) <= 4


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"total_size": 16_060_522_496}, None),
        ({"total_size": 16_060_522_496, "total_parameters": 8_030_261_248}, None),
        (
            {"total_size": 17_500_000_000},
            "the checkpoint's index says 17.50 GB, config.json was read as 16.06 (-8%)",
        ),
        (
            {"total_parameters": 70_000_000_000},
            "says 70.00 billion parameters, config.json was read as 8.03 (-89%)",
        ),
    ],
)
def test_an_index_of_the_weights_that_says_otherwise_is_named(tmp_path, metadata, told):
    config = {**model_config("meta-llama/Meta-Llama-3.1-8B").config}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": metadata, "weight_map": {}})
    )
    notes = load_model(str(tmp_path)).notes
    assert [note for note in notes if "index says" in note] == [
        note for note in notes if told and told in note
    ]
    assert any("index says" in note for note in notes) == (told is not None)


def test_a_name_longer_than_any_path_is_an_unknown_model():
    with pytest.raises(UnknownNameError):
        model_config("x" * 5000)
