"""Every command that README and the pages show in indented blocks: it runs, or at least has its flags."""

import copy
import gzip
import json
import shlex
from pathlib import Path

import pytest
from openai_server import openai_server
from result_samples import aiperf_export
from tour.pages import files_of, indented_commands_of

ROOT = Path(__file__).resolve().parents[2]
ON_A_CLUSTER = "cluster"  # tests/cluster runs that page's
PAGES = {
    path.stem: path
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    if indented_commands_of(path.read_text(encoding="utf-8"))
}
SERVER = "http://localhost:8000"
MAY_MISS = {
    "benchmark",
    "doctor",
    "compare",
    "simulate",
    "estimate",
    "recommend",
}  # an SLA, a bound: status 1
NAMES = {"A", "B", "DIR", "FILE", "N", "RUN"}
pytestmark = [pytest.mark.slow, pytest.mark.server]


def synopsis(words):
    """Whether a command stands for many, with places to fill in."""
    return any("..." in word or word.startswith("[") or word in NAMES for word in words)


def flags_of(words):
    """Long flags, brackets of a synopsis left out."""
    return [word.strip("[]") for word in words if word.strip("[]").startswith("--")]


def without_outside(words):
    """The same command where it would install programs or start engines: asked, but not carried out."""
    if words[0] == "tools":
        return ["tools"]
    if words[0] == "profile":
        return [*words, "--dry-run", "client"]
    if words[0] == "benchmark":
        return [*words, "--client", "builtin", "--requests", "8"]
    if "--time-budget" in words:
        return [{"20": "2"}.get(word, word) for word in words]
    return [word for word in words if word != "--open"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that pages name as the reader's own."""
    home = tmp_path_factory.mktemp("reader")
    (home / "experiments").symlink_to(ROOT / "experiments")
    calibrate = files_of((ROOT / "docs" / "howto" / "calibrate.md").read_text(encoding="utf-8"))
    (home / "my_runs.csv").write_text(calibrate["my_runs.csv"])
    (home / "request.yaml").write_text((ROOT / "experiments" / "guide" / "llama-70b.yaml").read_text())
    (home / "run.sh").write_text("vllm serve Qwen/Qwen3-32B -tp 4 --max-num-seqs 128\n")
    request = {"input_length": 800, "output_length": 40}
    trace = [request | {"timestamp": 500 * n, "hash_ids": [n, n + 1]} for n in range(40)]
    for slots in (1, 4):
        of_aiperf = copy.deepcopy(aiperf_export())
        of_aiperf["input_config"]["models"]["items"][0]["name"] = "Qwen/Qwen3-8B"
        of_aiperf["input_config"]["phases"][1]["concurrency"] = slots
        point = home / "aiperf_sweep" / f"concurrency_{slots}"
        point.mkdir(parents=True)
        (point / "profile_export_aiperf.json").write_text(json.dumps(of_aiperf))
    with gzip.open(home / "conversation.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in trace)
    return home


@pytest.fixture
def reader(simkit, folder, monkeypatch):
    """Runs a command in that folder."""
    monkeypatch.chdir(folder)

    def run(words):
        with openai_server(ttft_s=0.02, itl_s=0.0005, model="meta-llama/Llama-3.1-70B-Instruct") as (url, _):
            done = simkit(*(word.replace(SERVER, url) for word in without_outside(words)))
        assert done.status == 0 or (done.status == 1 and words[0] in MAY_MISS), (words, done.err)

    return run


@pytest.fixture
def answered(reader, folder):
    """The answers that pages speak of as given."""
    if not (folder / "out").exists():
        reader(shlex.split("recommend request.yaml --gpu h100_sxm --total-gpus 40 -o out/llama-70b --quiet"))
        text = (folder / "out" / "llama-70b" / "dgd.yaml").read_text()
        (folder / "out" / "dgd.yaml").write_text(text)
        (folder / "out" / "edited-dgd.yaml").write_text(text)


@pytest.mark.parametrize("page", [name for name in PAGES if name not in {ON_A_CLUSTER, "tutorial"}])
def test_commands_run_as_they_stand(page, reader, answered):
    for words in indented_commands_of(PAGES[page].read_text(encoding="utf-8")):
        if not synopsis(words):
            reader(words[1:])


@pytest.mark.parametrize("page", PAGES)
def test_flags_are_those_of_the_verb(page, simkit):
    for _, verb, *words in indented_commands_of(PAGES[page].read_text(encoding="utf-8")):
        group = [verb, words[0]] if verb == "experiment" else [verb]
        told = simkit(*group, "--help").out.split()
        assert [flag for flag in flags_of(words) if flag not in " ".join(told)] == [], (verb, words)
