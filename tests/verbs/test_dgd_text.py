"""The head of dgd.yaml: what it was made for, what is still to fill in, what must be there."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from simkit import load_request, recommend
from simkit.core.request import Hardware
from simkit.formats.unfilled import REVISION_LABEL, unfilled
from simkit.io.yamlio import load_documents

GUIDE = Path(__file__).resolve().parents[2] / "experiments" / "guide" / "llama-70b.yaml"
ASKED = ("--gpu", "h100_sxm", "--total-gpus", 40)
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")  # of Kubernetes


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answer") / "out"
    hardware = Hardware(gpu="h100_sxm", total_gpus=40, gpus_per_node=8)
    recommend(replace(load_request(GUIDE), hardware=hardware)).save(folder)
    return folder


def heading(file):
    return [line for line in file.read_text().splitlines() if line.startswith("# ")]


def test_the_comments_say_what_it_is_for_as_the_answer_does(answer):
    told = "\n".join(heading(answer / "dgd.yaml"))
    report = (answer / "report.md").read_text().replace("\\", "")
    layout = re.search(r"\*\*(.+?)\.\*\*", report)[1]
    assert f"meta-llama/Llama-3.1-70B-Instruct: {layout}" in told
    assert "4,000 tokens in, 1,000 out; 10.0 requests/s" in told
    assert "TTFT \u2264 500 ms, ITL \u2264 50.0 ms" in told
    for figure in ("TTFT", "ITL"):
        shown = re.search(rf"\| {figure} \| ([\d,.]+ ms) \| 90%: (\[.+?\])", report)
        assert f"{figure} {shown[1]} {shown[2]}" in told
    assert "Secret hf-token-secret, PersistentVolumeClaim model-cache" in told


def test_a_placeholder_is_refused_by_us_and_by_kubernetes_until_it_is_filled_in(answer, simkit, tmp_path):
    file = tmp_path / "dgd.yaml"
    file.write_text((answer / "dgd.yaml").read_text())
    label = load_documents(file)[-1]["metadata"]["labels"][REVISION_LABEL]
    assert not _LABEL.fullmatch(label)
    assert simkit("deploy", file, "--dry-run", "client").status == 2
    found = simkit("deploy", file, "--dry-run")
    assert "still to fill in: <commit-hash>" in found.err
    assert found.err.count("\n") <= 1
    sound = simkit("validate", file)
    assert (sound.status, "still to fill in" in sound.err) == (0, True)

    subprocess.run(shlex.split(found.err.partition("stands for: ")[2]), check=True, timeout=60)
    assert unfilled(load_documents(file)) == []
    assert "<" not in "".join(heading(file))
    assert _LABEL.fullmatch(load_documents(file)[-1]["metadata"]["labels"][REVISION_LABEL])
    sent = simkit("deploy", file, "--dry-run")
    assert sent.status == 0
    assert [one["kind"] for one in yaml.safe_load_all(sent.out)] == ["ConfigMap", "DynamoGraphDeployment"]


def test_a_request_with_a_placeholder_is_sent_with_a_remark(simkit):
    found = simkit("deploy", GUIDE, "--dry-run")
    assert found.status == 0
    assert "will hold <commit-hash>" in found.err


def test_the_next_step_names_what_comes_first(simkit, tmp_path):
    found = simkit("recommend", GUIDE, *ASKED, "-o", tmp_path / "out")
    assert "replace <commit-hash> in" in found.out


@pytest.mark.parametrize(
    "text", ["<think>", '{"start": "<a>/b"}', "a b/<c>", "/plain/path", "<|im_start|>/x y", ""]
)
def test_only_paths_hold_what_is_to_fill_in(text):
    assert unfilled([{"spec": {"args": [text]}}]) == []
    assert unfilled([{"spec": {"args": [text, "/a/<b>/c", "/<d e>/f"]}}]) == ["<b>"]


def test_an_unknown_kind_of_dry_run_is_named(simkit, answer):
    found = simkit("deploy", answer, "--dry-run", "clint")
    assert (found.status, "expected client or server" in found.err) == (2, True)
