"""AIPerf as a process: time-outs, retries, offline tokenizers. A script stands in for it."""

import json
import os
import sys
from pathlib import Path

import pytest

from simkit.core.errors import ExternalError, InputError
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions, TraceFile, profile_command
from simkit.io.tokenizer import VOCABULARY, model_files, tokenizer_files
from simkit.measure.aiperf_run import OWN_TOKENIZER, Patience, offline_tokenizer, run_aiperf

FAKE = Path(__file__).resolve().parents[1] / "fakes" / "fake_aiperf.py"
LOAD = Workload(isl_tokens=256, osl_tokens=64, concurrency=4)


@pytest.fixture
def fake(tmp_path):
    """Run the stand-in in a mode; gives (folder or error, the calls it saw)."""

    def run(mode, **patience):
        calls = tmp_path / "calls"
        options = BenchmarkOptions(artifact_dir=str(tmp_path / "artifacts"))
        words = profile_command(LOAD, model="tiny", options=options)
        env = {**os.environ, "FAKE_AIPERF": mode, "FAKE_AIPERF_LOG": str(calls)}
        return run_aiperf(
            [sys.executable, str(FAKE), *words[1:]],
            artifacts=tmp_path / "artifacts",
            env=env,
            registry=tmp_path / "running",
            patience=Patience(**patience),
        )

    yield run
    assert list((tmp_path / "running").glob("*")) == []


def calls(tmp_path):
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_results_come_back_and_the_command_was_the_workloads(fake, tmp_path):
    assert (fake("ok") / "profile_export_aiperf.json").is_file()
    (call,) = calls(tmp_path)
    assert call["words"][0] == "profile"
    assert call["words"][call["words"].index("--concurrency") + 1] == "4"


def test_a_failure_is_tried_again_once(fake, tmp_path):
    assert (fake("fail-once") / "profile_export_aiperf.json").is_file()
    assert len(calls(tmp_path)) == 2


@pytest.mark.parametrize(
    ("mode", "said"),
    [("fail", "status 1 .*the tokenizer cannot be loaded"), ("silent", "it wrote no result")],
)
def test_failing_every_time_ends_with_aiperfs_own_words(fake, tmp_path, mode, said):
    with pytest.raises(ExternalError, match=said):
        fake(mode, attempts=3)
    assert len(calls(tmp_path)) == 3


def test_a_folder_that_is_not_ours_is_left_alone(fake, tmp_path):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not from an earlier run"):
        fake("ok")
    assert (tmp_path / "artifacts" / "thesis.tex").read_text() == "years of work"


def test_hanging_is_ended_in_time(fake):
    with pytest.raises(ExternalError, match="no end after 1 s"):
        fake("hang", timeout_s=1.0, attempts=1)


def test_patience_must_be_positive():
    with pytest.raises(InputError, match="must be positive"):
        Patience(attempts=0)


def test_our_tokenizer_is_laid_out_as_a_cache_and_removed_again():
    with offline_tokenizer(OWN_TOKENIZER) as (name, env):
        home = Path(env["HF_HOME"])
        snapshot = home / "hub" / "models--local--tokenizer"
        assert (name, env["HF_HUB_OFFLINE"]) == ("local/tokenizer", "1")
        assert (snapshot / "refs" / "main").read_text() == "0"
        assert (snapshot / "snapshots" / "0" / "tokenizer.json").is_file()
    assert not home.exists()


def test_a_folder_is_laid_out_too_and_names_are_left_to_aiperf(tmp_path):
    for name, text in tokenizer_files(4096).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "model.safetensors").write_text("weights")
    with offline_tokenizer(str(tmp_path)) as (name, env):
        laid = {file.name for file in Path(env["HF_HOME"]).rglob("*.*")}
        assert name == "local/tokenizer"
        assert laid == {"tokenizer.json", "tokenizer_config.json"}
    with offline_tokenizer("Qwen/Qwen3-0.6B") as found:
        assert found == ("Qwen/Qwen3-0.6B", {})
    with offline_tokenizer(None) as found:
        assert found == (None, {})


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no tokenizer_config\.json"), offline_tokenizer(str(tmp_path)):
        pass


def test_the_tokenizer_is_whole_and_always_the_same():
    model = json.loads(tokenizer_files(4096)["tokenizer.json"])["model"]
    vocabulary = model["vocab"]
    assert len(vocabulary) == VOCABULARY == len(set(vocabulary.values()))
    # Every merge joins tokens that are there into one that is there: no text is left without tokens.
    assert all({a, b, a + b} <= set(vocabulary) for a, b in model["merges"])
    # Digits stay single tokens, which the built-in client's prompts rest on.
    assert all(digit in vocabulary for digit in "0123456789")
    assert not any(character.isdigit() for merge in model["merges"] for character in "".join(merge))
    assert model_files(4096) == model_files(4096)


def test_traces_sweeps_and_telemetry_are_aiperfs_own():
    trace = BenchmarkOptions(trace=TraceFile(path="t.jsonl"), gpu_telemetry="pynvml", ui="none")
    words = profile_command(LOAD, model="tiny", options=trace)
    assert "--fixed-schedule" in words
    assert "--isl" not in words
    assert "--concurrency" not in words
    assert words[words.index("--gpu-telemetry") + 1] == "pynvml"
    assert words[-2:] == ["--ui", "none"]
    sweep = profile_command(LOAD, model="tiny", options=BenchmarkOptions(concurrencies=(1, 4, 16)))
    assert sweep[sweep.index("--concurrency") + 1] == "1,4,16"
    with pytest.raises(InputError, match="trace must not start"):
        profile_command(LOAD, model="tiny", options=BenchmarkOptions(trace=TraceFile(path="--x")))
