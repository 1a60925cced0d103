"""The guide's three workflows end in admissible DGDs; the folder holds what it promises."""

import json

import pytest
import yaml

from simkit.formats.dgd.read import read_dgd

CLUSTERS = {
    "qwen-small": ("--gpu", "h200_sxm", "--total-gpus", "8"),
    "llama-70b": ("--gpu", "h100_sxm", "--total-gpus", "32"),
    "deepseek-r1": ("--gpu", "h200_sxm"),  # the guide gives 32 GPUs itself
}
FILES = {"dgd.yaml", "recommendation.json", "candidates.csv", "report.md", "report.html", "benchmark.sh"}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_guide_workflow_ends_in_an_admissible_dgd(simkit, guide, tmp_path, name):
    out = tmp_path / "out"
    found = simkit("recommend", guide / f"{name}.yaml", *CLUSTERS[name], "-o", out)
    assert found.status in (0, 1), found.err
    planned = name != "qwen-small"  # the other two ask for a planner
    assert {path.name for path in out.iterdir()} == FILES | ({"profiling_results"} if planned else set())
    checked = simkit("validate", guide / f"{name}.yaml", out / "dgd.yaml")
    assert checked.status == 0, checked.out
    answer = json.loads((out / "recommendation.json").read_text())
    parsed = read_dgd(out / "dgd.yaml")
    assert parsed.deployment.num_gpus == answer["selected"]["num_gpus"]
    assert parsed.deployment.backend == answer["selected"]["backend"]
    assert answer["meets_sla"] is (found.status == 0)


def dgd_of(simkit, guide, tmp_path, name):
    out = tmp_path / "out"
    simkit("recommend", guide / f"{name}.yaml", *CLUSTERS[name], "-o", out)
    return list(yaml.safe_load_all((out / "dgd.yaml").read_text()))


def test_cache_planner_and_budget_are_carried_through(simkit, guide, tmp_path):
    documents = dgd_of(simkit, guide, tmp_path, "llama-70b")
    components = {item["type"]: item for item in documents[-1]["spec"]["components"]}
    assert {"frontend", "prefill", "decode", "planner"} <= set(components)
    for role in ("prefill", "decode", "frontend"):
        volumes = components[role]["podTemplate"]["spec"]["volumes"]
        assert any(v.get("persistentVolumeClaim", {}).get("claimName") == "model-cache" for v in volumes)
    config = next(d for d in documents if d["kind"] == "ConfigMap")
    planner = json.loads(next(iter(config["data"].values())))
    assert planner["max_gpu_budget"] == 32
    assert planner["backend"] == "vllm"


def test_tolerations_and_multinode_are_carried_through(simkit, guide, tmp_path):
    documents = dgd_of(simkit, guide, tmp_path, "deepseek-r1")
    for item in documents[-1]["spec"]["components"]:
        tolerations = item["podTemplate"]["spec"]["tolerations"]
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in tolerations


def test_an_engine_wider_than_a_node_is_multinode(simkit, tmp_path):
    words = (
        "--model",
        "deepseek-ai/DeepSeek-R1",
        "--gpu",
        "h100_sxm",
        "--total-gpus",
        "16",
        "--backend",
        "sglang",
    )
    found = simkit(
        "recommend", *words, "--mode", "agg", "--ttft", "60000", "--itl", "500", "-o", tmp_path / "out"
    )
    assert found.status == 0, found.err
    document = list(yaml.safe_load_all((tmp_path / "out" / "dgd.yaml").read_text()))[-1]
    (worker,) = [c for c in document["spec"]["components"] if c["type"] == "worker"]
    assert worker["multinode"]["nodeCount"] == 2  # 671 GB of weights do not fit 8 x 80 GB
    limits = worker["podTemplate"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "8"
    assert simkit("validate", tmp_path / "out" / "dgd.yaml").status == 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm", "auto"])
@pytest.mark.parametrize("mode", ["agg", "disagg"])
@pytest.mark.parametrize("model", ["Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-235B-A22B-FP8"])
def test_every_engine_and_mode(simkit, tmp_path, backend, mode, model):
    words = (
        "--model",
        model,
        "--gpu",
        "h200_sxm",
        "--total-gpus",
        "16",
        "--backend",
        backend,
        "--mode",
        mode,
    )
    found = simkit("recommend", *words, "--top", "3", "-o", tmp_path / "out")
    assert found.status in (0, 1), found.err
    dgds = sorted((tmp_path / "out").glob("dgd*.yaml"))
    assert 1 <= len(dgds) <= 3
    assert simkit("validate", *dgds).status == 0
    answer = json.loads((tmp_path / "out" / "recommendation.json").read_text())
    assert {item["mode"] for item in answer["candidates"]} == {mode}
    assert all(item["num_gpus"] <= 16 for item in answer["candidates"])


def test_json_alone_on_standard_output(simkit, tmp_path):
    words = ("--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--format", "json")
    found = simkit("recommend", *words, "-o", tmp_path / "out")
    document = json.loads(found.out)
    keys = {"request", "selected", "candidates", "pareto", "rejected", "meets_sla", "explanation", "versions"}
    assert set(document) == keys | {
        "expected_best",
        "knee",
        "fronts",
        "remarks",
        "bottlenecks",
        "trade_offs",
        "relaxations",
        "most_request_rate_per_s",
    }
    assert "wrote" in found.err
    assert json.loads((tmp_path / "out" / "recommendation.json").read_text()) == document


def test_quiet_says_nothing_on_standard_error(simkit, tmp_path):
    words = ("--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--quiet")
    assert simkit("recommend", *words, "-o", tmp_path / "out").err == ""


def test_a_flag_replaces_what_the_file_says(simkit, guide):
    words = ("--gpu", "h100_sxm", "--total-gpus", "32", "--concurrency", "16", "--format", "json")
    document = json.loads(simkit("recommend", guide / "llama-70b.yaml", *words).out)
    workload = document["request"]["workload"]
    assert workload["concurrency"] == 16
    assert workload["request_rate_per_s"] is None


def test_same_request_same_bytes(simkit, tmp_path):
    words = ("--model", "Qwen/Qwen3-32B", "--gpu", "h200_sxm", "--request-rate", "4", "--quiet")
    for name in ("a", "b"):
        simkit("recommend", *words, "-o", tmp_path / name)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_v1alpha1_on_request(simkit, tmp_path):
    words = ("--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--dgd-version", "v1alpha1")
    simkit("recommend", *words, "-o", tmp_path / "out")
    document = yaml.safe_load((tmp_path / "out" / "dgd.yaml").read_text())
    assert document["apiVersion"] == "nvidia.com/v1alpha1"
    assert simkit("validate", tmp_path / "out" / "dgd.yaml").status == 0


def test_an_older_request_takes_flags_and_keeps_its_remarks(simkit, guide):
    """Flags are named after today's fields; what has no place in them is still told."""
    old = guide.parent / "faults" / "seeds" / "v1alpha1.yaml"
    found = simkit(
        "recommend", old, "--backend", "vllm", "--total-gpus", 8, "--ttft", 900, "--format", "json"
    )
    assert found.status in (0, 1), found.err
    request = json.loads(found.out)["request"]
    assert (request["backend"], request["hardware"]["total_gpus"]) == ("vllm", 8)
    assert request["sla"]["ttft_ms"] == 900
    assert any("apiVersion v1alpha1 is deprecated" in text for text in request["warnings"])
    assert any("outputPVC" in text for text in request["warnings"])


SMALL = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "2", "--backend", "vllm")


def test_engine_settings_reach_the_answer(simkit):
    words = ("--max-num-seqs", "6", "--max-num-batched-tokens", "3000", "--kv-dtype", "fp8", "--mode", "agg")
    found = simkit("recommend", *SMALL, *words, "--concurrency", "40", "--format", "json", "--quiet")
    assert found.status in (0, 1), found.err
    engine = json.loads(found.out)["selected"]["engine"]
    assert (engine["max_num_seqs"], engine["max_num_batched_tokens"], engine["kv_dtype"]) == (6, 3000, "fp8")
    assert engine["speculative"] is None


def test_a_draft_and_goodput_are_asked_for_by_flags(simkit):
    words = ("--speculative", "ngram:3:0.9", "--objective", "goodput", "--ttft", "2000", "--itl", "20")
    found = simkit("recommend", *SMALL, *words, "--concurrency", "4", "--format", "json", "--quiet")
    assert found.status == 0, found.err
    answer = json.loads(found.out)
    pool = answer["selected"].get("engine") or answer["selected"]["decode"]["engine"]
    assert pool["speculative"]["acceptance"] == 0.9
    assert 0 < answer["selected"]["goodput_per_s"] <= answer["selected"]["request_rate_per_s"]
    assert answer["request"]["optimization"] == "goodput"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--speculative", "ngram:3"), "the acceptance has to be measured or known"),
        (("--speculative", "mtp:1:0.8"), "no multi-token prediction layer"),
        (("--objective", "speed"), "speed"),
        (("--kv-dtype", "int4"), "int4"),
        (("--max-num-seqs", "0"), "max_num_seqs must be from 1"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(simkit, words, said):
    found = simkit("recommend", *SMALL, *words)
    assert found.status == 2
    assert said in found.err
    assert len(found.err.strip().splitlines()) == 1


def test_the_settings_asked_for_are_in_the_report_and_in_the_command_that_repeats_it(simkit, tmp_path):
    words = (
        "--kv-dtype", "fp8", "--speculative", "ngram:3:0.9", "--objective", "goodput", "--max-num-seqs", "20",
        "--simulate-finalists", "1", "--seed", "4",
    )  # fmt: skip
    flags = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "2", "--concurrency", "8")
    found = simkit("recommend", *flags, *words, "--quiet", "-o", tmp_path / "out")
    assert found.status == 0, found.err
    report = (tmp_path / "out" / "report.md").read_text()
    command = report.splitlines()[0]
    assert all(f"{flag} {value}" in command for flag, value in zip(words[::2], words[1::2], strict=True))
    assert "; speculative decoding ngram:3:0.9" in report
    assert ",ngram:3:0.9," in (tmp_path / "out" / "candidates.csv").read_text()
