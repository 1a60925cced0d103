"""JSON within other texts (flags, YAML, ConfigMaps) that no reader could work with: one line, status 2."""

import pytest

from simkit.io.yamlio import dump_yaml, load_documents

from .conftest import ROOT

DEEP = '{"a":' * 150 + "1" + "}" * 150
DEEPEST = '{"a":' * 50_000 + "1" + "}" * 50_000
JSON = {
    "deep": (DEEP, "nested deeper than 100"),
    "digits": ('{"a": ' + "9" * 5000 + "}", "4300 digits"),
    "huge": ('{"a": 1' + "0" * 400 + "}", "beyond 1e300"),
    "twice": ('{"method": "eagle3", "method": "mtp"}', "'method' is given twice"),
    "infinite": ('{"a": 1e999}', "holds inf"),
    "half": ('{"a": "\\ud800"}', "half of a character"),
}
FLAGS = {
    "vllm serve Qwen/Qwen3-8B": (
        "--speculative-config", "--hf-overrides", "--kv-transfer-config", "--override-generation-config",
        "--compilation-config", "--speculative-config.draft",
    ),
    "python3 -m sglang.launch_server --model-path Qwen/Qwen3-8B": ("--json-model-override-args",),
    "python3 -m dynamo.trtllm --model Qwen/Qwen3-8B": ("--override-engine-args",),
}  # fmt: skip
ASKED = ("--gpu", "h200_sxm", "--isl", "100", "--osl", "10", "--concurrency", "4")
GOLDEN = ROOT / "tests" / "golden" / "dgd"


def refused(found, *words):
    assert found.status == 2, found.err
    assert found.err.count("\n") == 1
    assert len(found.err) < 500
    for word in words:
        assert word in found.err


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize(
    ("start", "flag"), [(start, flag) for start, flags in FLAGS.items() for flag in flags]
)
def test_settings_in_a_flag(simkit, start, flag, kind):
    text, told = JSON[kind]
    refused(simkit("estimate", "--command", f"{start} {flag} '{text}'", *ASKED, "--quiet"), flag, told)


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("flag", ["--kv-transfer-config", "--hf-overrides"])
def test_settings_in_a_deployment(simkit, tmp_path, flag, kind):
    text, told = JSON[kind]
    documents = load_documents(GOLDEN / "vllm-disagg-features.yaml")
    for component in documents[-1]["spec"]["components"]:
        if component["type"] in ("prefill", "decode"):
            component["podTemplate"]["spec"]["containers"][0].setdefault("args", []).extend([flag, text])
    (tmp_path / "dgd.yaml").write_text(dump_yaml(documents))
    refused(simkit("estimate", tmp_path / "dgd.yaml", *ASKED, "--quiet"), flag, told)


@pytest.mark.parametrize(("text", "told"), [*JSON.values(), (DEEPEST, "nested deeper than 100")])
def test_settings_in_a_config_map(simkit, tmp_path, text, told):
    documents = load_documents(GOLDEN / "vllm-disagg-features.yaml")
    documents[0]["data"]["planner_config.json"] = text
    (tmp_path / "dgd.yaml").write_text(dump_yaml(documents))
    found = simkit("validate", tmp_path / "dgd.yaml")
    assert found.status == 2
    assert "Traceback" not in found.err
    assert told in found.out + found.err
