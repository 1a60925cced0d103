"""`simkit models` and `simkit gpus`: what can be named, found by words, with numbers that other verbs use."""

import json

import pytest

from simkit.catalog.gpus import gpu_names
from simkit.catalog.model_lookup import model_names


def listed(simkit, verb, *words):
    found = simkit(verb, *words, "--format", "json")
    assert found.status == 0, found.err
    return json.loads(found.out)[verb]


def test_every_model_is_listed_and_words_narrow_it(simkit):
    assert [row["name"] for row in listed(simkit, "models")] == model_names()
    names = [row["name"] for row in listed(simkit, "models", "FP8", "qwen3")]
    assert names == [name for name in model_names() if "qwen3" in name.lower() and "fp8" in name.lower()]
    assert names == [row["name"] for row in listed(simkit, "models", "qwen3 fp8")]


@pytest.mark.parametrize("name", ["Qwen/Qwen3-32B-FP8", "openai/gpt-oss-120b"])
def test_a_model_has_the_sizes_that_estimate_says(simkit, name):
    (row,) = (item for item in listed(simkit, "models", name) if item["name"] == name)
    words = ("--model", name, "--gpu", "h200_sxm", "--backend", "vllm", "--concurrency", "4")
    estimate = json.loads(simkit("estimate", *words, "--format", "json", "--quiet").out)
    assert {key: row[key] for key in estimate["model"]} == estimate["model"]


def test_every_gpu_is_listed_with_the_runs_that_support_counts(simkit):
    assert [row["name"] for row in listed(simkit, "gpus")] == gpu_names()
    (row,) = listed(simkit, "gpus", "h200_sxm")
    cells = json.loads(simkit("support", "--gpu", "h200_sxm", "--format", "json").out)["cells"]
    for engine, count in row["measured_runs"].items():
        assert count == sum(cell["measured_runs"] for cell in cells if cell["backend"] == engine)
    assert row["operator_tables"] == ["vllm", "sglang", "trtllm"]
    assert 4.0e3 < row["memory_gb_per_s"] < 5.0e3
    assert {row["generation"] for row in listed(simkit, "gpus", "blackwell")} <= {
        "blackwell",
        "blackwell_ultra",
    }


def test_a_name_from_outside_is_matched_or_refused_with_the_nearest(simkit):
    assert listed(simkit, "gpus", "NVIDIA H100 80GB HBM3")[0]["name"] == "h100_sxm"
    assert listed(simkit, "models", "Qwen3-32B-AWQ")[0]["gemm_dtype"] == "int4_wo"
    for verb, text in (("models", "qwen/qwen3-33b"), ("gpus", "h101_sxm")):
        found = simkit(verb, text)
        assert found.status == 2
        assert "did you mean" in found.err
        assert found.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["models", "gpus"])
def test_the_table_fits_eighty_columns(simkit, verb):
    found = simkit(verb)
    assert found.status == 0
    assert max(map(len, found.out.splitlines())) <= 80
    assert "\u2026" not in found.out
