"""Bad input: exit 2, one line that says what, where and what to do, nothing written."""

import pytest

GOOD = """\
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeploymentRequest
metadata:
  name: good
spec:
  model: Qwen/Qwen3-32B
  hardware:
    gpuSku: h200_sxm
    totalGpus: 8
"""

ESTIMATE = ("estimate", "--model", "Qwen/Qwen3-32B", "--gpu", "h100_sxm")
QWEN = ("recommend", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm")

# name, text of the file, what the line must mention
DOCUMENTS = [
    ("not YAML", "spec: [unclosed\n", ["request.yaml:2", "YAML"]),
    ("a list", "- a\n- b\n", ["mapping"]),
    ("unknown key", GOOD + "  modle: x\n", ["modle", "model"]),
    ("unknown nested key", GOOD + "  workload:\n    islx: 10\n", ["islx", "isl"]),
    ("wrong type", GOOD + "  workload:\n    isl: many\n", ["spec.workload.isl", "many"]),
    ("negative SLA", GOOD + "  sla:\n    ttft: -5\n    itl: 30\n", ["spec.sla.ttft", "-5"]),
    ("ttft without itl", GOOD + "  sla:\n    ttft: 500\n", ["itl"]),
    ("thorough with auto", GOOD + "  searchStrategy: thorough\n", ["thorough", "backend"]),
    (
        "two loads",
        GOOD + "  workload:\n    concurrency: 4\n    requestRate: 2\n",
        ["concurrency", "requestRate"],
    ),
    ("unknown backend", GOOD + "  backend: vlmm\n", ["vllm"]),
    ("zero GPUs", GOOD.replace("totalGpus: 8", "totalGpus: 0"), ["totalGpus"]),
    ("unknown GPU", GOOD.replace("h200_sxm", "h2000_sxm"), ["h2000_sxm", "h200_sxm"]),
    ("unknown model", GOOD.replace("Qwen/Qwen3-32B", "Qwen/Qwen33-32B"), ["Qwen33-32B", "config.json"]),
    ("other kind", GOOD.replace("DynamoGraphDeploymentRequest", "Deployment"), ["kind"]),
]


def one_line(text):
    assert text.startswith("simkit: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("text", "mentions"), [row[1:] for row in DOCUMENTS], ids=[row[0] for row in DOCUMENTS]
)
def test_a_faulty_document_is_named_in_one_line(simkit, tmp_path, text, mentions):
    path = tmp_path / "request.yaml"
    path.write_text(text)
    found = simkit("recommend", path, "-o", tmp_path / "out")
    assert found.status == 2
    line = one_line(found.err)
    for mention in mentions:
        assert mention in line
    assert found.out == ""
    assert not (tmp_path / "out").exists()


def test_a_gpu_that_nobody_named_is_asked_for(simkit, guide, tmp_path):
    found = simkit("recommend", guide / "llama-70b.yaml", "-o", tmp_path / "out")
    assert found.status == 2
    assert "name the GPU, for example --gpu h200_sxm" in one_line(found.err)


def test_missing_file(simkit, tmp_path):
    found = simkit("recommend", tmp_path / "absent.yaml", "-o", tmp_path / "out")
    assert found.status == 2
    assert "absent.yaml" in one_line(found.err)
    assert not (tmp_path / "out").exists()


def test_nothing_asked(simkit):
    found = simkit("recommend")
    assert found.status == 2
    assert "--model" in one_line(found.err)


def test_no_gpu_named(simkit):
    found = simkit("recommend", "--model", "Qwen/Qwen3-0.6B")
    assert found.status == 2
    assert "--gpu" in one_line(found.err)


def test_model_larger_than_the_cluster(simkit, tmp_path):
    words = ("--model", "deepseek-ai/DeepSeek-R1", "--gpu", "h100_sxm", "--total-gpus", "4")
    found = simkit("recommend", *words, "-o", tmp_path / "out")
    assert found.status == 2
    line = one_line(found.err)
    assert "GiB" in line
    assert "totalGpus" in line
    assert not (tmp_path / "out").exists()


def test_unreachable_sla_still_answers(simkit, tmp_path):
    words = ("--model", "meta-llama/Llama-3.1-70B-Instruct", "--gpu", "h100_sxm", "--total-gpus", "8")
    found = simkit("recommend", *words, "--ttft", "6", "--itl", "0.3", "-o", tmp_path / "out")
    assert found.status == 1
    assert "relax" in found.out
    assert "simkit.io/meets-sla: 'false'" in (tmp_path / "out" / "dgd.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("recommend", "--total-gpus", "many"), "total-gpus"),
        (("recommend", "--tootal-gpus", "8"), "total-gpus"),
        (("recommend", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--set", "nonsense"), "path=value"),
        (("recommend", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--set", "sla.ttfx=3"), "ttft"),
        (("recommend", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--mode", "aggr"), "agg"),
        (("recommend", "--model", "./nowhere", "--gpu", "h200_sxm"), "config.json"),
        (("estimate", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--worker", "tp"), "tp4"),
        (("estimate", "--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--prefill", "tp1"), "--decode"),
        (("predict", "absent.csv", "-o", "x.csv"), "absent.csv"),
        (("evaluate", "absent.csv"), "absent.csv"),
        (("validate", "absent.yaml"), "absent.yaml"),
        (("recomend",), "recommend"),
        ((*ESTIMATE, "--worker", "tp3"), "attention heads"),
        ((*ESTIMATE, "--worker", "tp1pp100"), "layers"),
        ((*ESTIMATE, "--worker", "dep8"), "dense model"),
        ((*ESTIMATE, "--worker", "9xtp2", "--total-gpus", "4"), "18 GPUs"),
        ((*QWEN, "--concurrency", "4", "--request-rate", "2"), "--request-rate"),
        ((*QWEN, "--e2e-latency", "4000", "--ttft", "200"), "--ttft"),
        ((*QWEN, "--request-rate", "1e12"), "1e9"),
        ((*QWEN, "--mode", "disagg", "--total-gpus", "1"), "disaggregation takes"),
    ],
)
def test_faulty_flags(simkit, words, mentions):
    found = simkit(*words)
    assert found.status == 2
    assert mentions in one_line(found.err)


def test_output_that_is_a_file(simkit, tmp_path):
    blocked = tmp_path / "out"
    blocked.write_text("mine")
    words = ("--model", "Qwen/Qwen3-0.6B", "--gpu", "h200_sxm", "--backend", "vllm")
    found = simkit("recommend", *words, "-o", blocked)
    assert found.status == 2
    assert str(blocked) in one_line(found.err)
    assert blocked.read_text() == "mine"
