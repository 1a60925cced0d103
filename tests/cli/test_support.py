"""`simkit support`: the guide's matrix as printed, and ours as the data has it."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from simkit.catalog.gpus import gpu, gpu_names
from simkit.catalog.models import load_model
from simkit.engines.support import GUIDE_RAPID, GUIDE_THOROUGH, moe_support

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")
FAMILIES = {"dense", "gqa_moe", "mla_moe"}


def document(simkit, *words):
    found = simkit("support", *words, "--format", "json")
    assert found.status == 0, found.err
    return json.loads(found.out)


def cell(doc, gpu_name, backend, family):
    (found,) = [
        item
        for item in doc["cells"]
        if (item["gpu"], item["backend"], item["family"]) == (gpu_name, backend, family)
    ]
    return found


def test_every_gpu_engine_and_kind_of_model_has_one_cell(simkit):
    doc = document(simkit)
    places = Counter((item["gpu"], item["backend"], item["family"]) for item in doc["cells"])
    engines = ("vllm", "sglang", "trtllm")
    assert places == {(g, e, f): 1 for g in gpu_names() for e in engines for f in FAMILIES}
    assert {item["basis"] for item in doc["cells"]} == {"measured", "tables", "extrapolated", "unsupported"}
    for item in doc["cells"]:
        assert bool(item["reason"]) == (item["basis"] in ("extrapolated", "unsupported")), item
        assert bool(item["measured_runs"]) == (item["basis"] == "measured"), item


def test_measured_runs_are_those_of_the_file(simkit, runs_csv):
    counts = Counter()
    with runs_csv.open() as handle:
        for row in csv.DictReader(handle):
            if row["ttft_ms_mean"] and row["itl_ms_mean"]:
                kind = load_model(row["model"]).shape.architecture_class
                counts[(row["gpu"], row["backend"], kind)] += 1
    doc = document(simkit)
    ours = {
        (item["gpu"], item["backend"], item["family"]): item["measured_runs"]
        for item in doc["cells"]
        if item["measured_runs"]
    }
    assert ours == counts


def test_what_cannot_run_says_why(simkit):
    doc = document(simkit, "--gpu", "v100_sxm", "--backend", "vllm")
    assert all(item["basis"] == "unsupported" for item in doc["cells"])
    assert "needs turing GPUs or newer" in doc["cells"][0]["reason"]
    # FP8 weights: an A100 has no FP8, which only one engine makes up for.
    doc = document(simkit, "--gpu", "a100_sxm", "--model", "deepseek-ai/DeepSeek-R1")
    assert [item["basis"] for item in doc["cells"]].count("unsupported") == 2
    assert {item["family"] for item in doc["cells"]} == {"mla_moe"}


def test_a_gpu_without_tables_names_its_lender(simkit):
    found = cell(document(simkit, "--gpu", "h100_pcie"), "h100_pcie", "vllm", "dense")
    assert found["basis"] == "extrapolated"
    assert re.search(r"gemm.* as on h\d00", found["reason"])


def test_names_are_read_as_elsewhere(simkit):
    doc = document(simkit, "--gpu", "H100-SXM5-80GB")
    assert {item["gpu"] for item in doc["cells"]} == {"h100_sxm"}


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("--gpu", "h2000_sxm"), ("h2000_sxm", "h200_sxm")),
        (("--backend", "vlm"), ("vlm", "vllm")),
        (("--model", "Qwen/Qwen33-32B"), ("Qwen33-32B", "config.json")),
    ],
)
def test_unknown_names(simkit, words, mentions):
    found = simkit("support", *words)
    assert found.status == 2
    assert found.err.startswith("simkit: ")
    assert found.err.count("\n") == 1
    for mention in mentions:
        assert mention in found.err


def test_the_table_shows_both_matrices(simkit):
    found = simkit("support")
    assert found.status == 0
    line = next(line for line in found.out.splitlines() if line.startswith("h200_sxm"))
    assert line.split() == ["h200_sxm", "rapid", "yes", *"MMMMMMMMM"]
    assert "vLLM partial, SGLang full, TensorRT-LLM partial" in found.out
    few = simkit("support", "--gpu", "h200_sxm", "--backend", "sglang")
    assert re.search(r"h200_sxm SGLang dense\s+\d+ measured runs: operator tables", few.out)


# The guide's table of GPUs, line by line: searched rapidly | sent to thorough profiling, with our names.
GUIDE_LINES = (
    (("H100 SXM", "h100_sxm"), ("H100 PCIe", "h100_pcie")),
    (("H200 SXM", "h200_sxm"), ("A100 PCIe", "a100_pcie")),
    (("A100 SXM", "a100_sxm"), ("L4", "l4")),
    (("B200 SXM", "b200_sxm"), ("V100 (SXM/PCIe)", "v100_sxm v100_pcie")),
    (("GB200 SXM", "gb200"), ("T4", "t4")),
    (("L40S", "l40s"), ("MI200, MI300", "mi200 mi300")),
)


def test_the_guides_gpus_are_in_our_two_lists():
    columns = [" ".join(names for _, names in column).split() for column in zip(*GUIDE_LINES, strict=True)]
    assert sorted(columns[0]) == sorted(GUIDE_RAPID)
    assert sorted(columns[1]) == sorted(GUIDE_THOROUGH)
    assert all(gpu(name).name == name for column in columns for name in column)
    assert [moe_support(name) for name in ("vllm", "sglang", "trtllm")] == ["partial", "full", "partial"]


@needs_shared
def test_the_guides_gpus_are_as_printed():
    text = (SHARED / "reference" / "deployment-guide.txt").read_text()
    table = text[text.index("Supported (rapid)") : text.index("If your GPU is not in")].splitlines()
    printed = [line for line in table[1:] if line.strip()]
    assert printed == ["".join(label for label, _ in line) for line in GUIDE_LINES]
