"""Whatever text is given as a command line: a deployment or one line of error, soon, and nothing is run."""

# ruff: noqa: E501  # command lines are kept whole

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simkit.core.errors import SimkitError
from simkit.formats.engine_command.read import ImportedCommand, parse_command, read_command

START = "vllm serve Qwen/Qwen3-32B "
SECONDS = 5.0  # of CPU, generous; each takes milliseconds


def outcome(text, read=parse_command):
    """What becomes of a text; a message must be one line and of a length that people read."""
    began = time.process_time()
    try:
        found = read(text)
    except SimkitError as error:
        found = str(error)
        assert "\n" not in found
        assert "\0" not in found
        assert 0 < len(found) < 1000
    assert time.process_time() - began < SECONDS
    return found


DEEP = 50_000
CASES = {
    "empty": "",
    "blank": " \n\t ",
    "open quote": START + "--chat-template 'open",
    "open double quote": START + '"' + '\\"' * 10_000,
    "trailing backslash": START + "\\",
    "a megabyte": START + "x" * 1_000_000,
    "a megabyte of flags": START + "--x " * 250_000,
    "a flag of 60,000 letters": START + "--" + "x" * 60_000,
    "many flags": START + " ".join(f"--f{i}" for i in range(8_000)),
    "NUL": START + "\0 -tp 2",
    "escape codes": START + "--\x1b[31mred \x07",
    "surrogate": START + "--\udcff",
    "right to left": START + "\u202e--tp 2",
    "full-width digits": START + "-tp \uff12",
    "superscript": START + "-tp \u00b2",
    "deep JSON": "python -m dynamo.trtllm --model Qwen/Qwen3-32B --override-engine-args '" + '{"a":' * 12_000 + "'",
    "deep lists": START + "--kv-transfer-config '" + "[" * DEEP + "'",
    "nested JSON": "python -m dynamo.trtllm --model Qwen/Qwen3-32B --override-engine-args '"
    + '{"a":' * 300 + "1" + "}" * 300 + "'",
    "JSON of another kind": "python -m dynamo.trtllm --model Qwen/Qwen3-32B --override-engine-args '[1]'",
    "connector of another kind": START + "--kv-transfer-config '[1]'",
    "infinite share": START + "--gpu-memory-utilization inf",
    "no number": START + "--gpu-memory-utilization nan",
    "number beyond floats": START + "-tp 1" + "0" * 400,
    "large ranks": START + "-dp 1000000000",
    "large experts": "vllm serve deepseek-ai/DeepSeek-R1 -ep -dp 1000000000",
    "doubling variables": "a=xxxxxxxxxx\n" + "".join(f"{chr(98 + i)}=${chr(97 + i)}${chr(97 + i)}\n" for i in range(24))
    + START + "$y",
    "operators": ";;;&&||((()))" * 1_000,
    "quotes by the thousand": "'\"" * 20_000,
    "redirects": START + "> " * 20_000,
    "substitutions": START + "$(" * 20_000,
    "blanks": START + " " * 60_000 + "x",
    "line ends": START + "\n" * 60_000,
    "shells in shells": 'sh -c "sh -c \'sh -c \\"sh -c vllm\\"\'"',
    "many engines": (START + "\n") * 2_000,
    "model of dots": "vllm serve ../../../../etc",
    "model with a long name": "vllm serve " + "/".join("y" * 300 for _ in range(30)),
    "model of blanks": "vllm serve ' '",
    "model of unicode": "vllm serve \u6a21\u578b/\u5343",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_odd_texts_end_in_a_deployment_or_one_line(name):
    outcome(CASES[name])


@pytest.mark.parametrize("name", ["NUL", "a megabyte", "open quote", "many engines", "model of blanks"])
def test_these_are_refused(name):
    if name == "many engines":  # equal engines are replicas, however many
        assert parse_command(CASES[name]).deployment.worker.replicas == 2_000
    else:
        assert isinstance(outcome(CASES[name]), str)


@pytest.mark.parametrize("tail", ["; rm -rf {0}", "&& touch {1}", "| tee {1}", "> {1}", "$(touch {1})", "`touch {1}`",
                                  "--x=$(rm -rf {0})", "\ntouch {1}", "--port 1 & rm -rf {0} &"])  # fmt: skip
def test_nothing_in_the_text_is_run(tmp_path, tail):
    kept, made = tmp_path / "kept", tmp_path / "made"
    kept.mkdir()
    found = outcome(START + "-tp 2 " + tail.format(kept, made))
    assert isinstance(found, ImportedCommand)
    assert found.deployment.worker.plan.tp == 2
    assert kept.is_dir()
    assert not made.exists()


@pytest.mark.parametrize("reference", ["@", "@/", "@/no/such", "@\0", "@" + "x" * 5_000, "@/dev/null"])
def test_files_that_cannot_be_read(reference):
    assert isinstance(outcome(reference, read_command), str)


def test_a_file_of_bytes(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in outcome(f"@{path}", read_command)
    path.write_bytes(b"x" * 5_000_000)
    assert "characters" in outcome(f"@{path}", read_command)


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "a: [", "&a [*a]\n", "1\n", "\0", "kv_cache_config: [1, {a: 2}]\n", "1: 2\n",
             "tensor_parallel_size: {a: {b: 1}}\n", "x: " + "[" * 90 + "]" * 90]
)  # fmt: skip
def test_odd_settings_files(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for start in (
        "trtllm-serve Qwen/Qwen3-32B",
        "vllm serve Qwen/Qwen3-32B",
        "sglang serve --model Qwen/Qwen3-32B",
    ):
        outcome(f"{start} --config {path}")


WORDS = st.sampled_from([
    "vllm", "serve", "trtllm-serve", "python", "-m", "sglang.launch_server", "dynamo.vllm", "docker", "run", "bash",
    "-c", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1", "--model", "--model-path", "--tp", "-tp", "-pp", "-dp", "-ep",
    "--dp", "--ep-size", "--enable-dp-attention", "--quantization", "fp8", "awq", "--kv-cache-dtype", "auto", "8", "2",
    "0", "-1", "1e9", "8k", "=", "--config", "--nnodes", "--node-rank", "--headless", "--gpus", "A=1", "$A", "${A:-3}",
    "'", '"', "\\", "\n", ";", "&&", "|", ">", "<", "<<", "(", ")", "#", "--max-model-len", "--served-model-name",
    "--speculative-config", "--kv-transfer-config", '{"kv_role":', "{}", "--disaggregation-mode", "prefill",
    "--trtllm.kv_cache_config.dtype", "--override-engine-args", "null", "--enable-chunked-prefill", "false", "--",
    "CUDA_VISIBLE_DEVICES=0,1", "--cp_size", "env", "export", "\u2013tp", "--x",
])  # fmt: skip


@settings(max_examples=1500)
@example(words=["vllm", "serve", "-tp"])
@example(words=["docker", "run", "vllm/vllm-openai"])
@given(words=st.lists(WORDS, max_size=25))
def test_any_mixture_of_words(words):
    outcome(" ".join(words))


@pytest.mark.slow
@settings(max_examples=1500)
@given(words=st.lists(WORDS, max_size=20))
@pytest.mark.parametrize(
    "start", [START, "trtllm-serve Qwen/Qwen3-235B-A22B ", "sglang serve -m Qwen/Qwen3-32B "]
)
def test_any_mixture_behind_a_start(start, words):
    outcome(start + " ".join(words))


@pytest.mark.slow
@settings(max_examples=800)
@given(
    text=st.text(max_size=200),
    before=st.sampled_from(["", START, START + "-tp ", START + "--kv-cache-dtype "]),
)
def test_any_text(text, before):
    outcome(before + text)
