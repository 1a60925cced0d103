"""The examples in the help of every verb: a shell takes them as printed, and what can run here does."""

import gzip
import json
import shlex
import shutil
import sys

import pandas as pd
import pytest
from typer.main import get_command

from simkit.cli.command_group import VERBS
from simkit.cli.main import app, main

NAMES = [name for group in VERBS.values() for name in group]
ROOT = get_command(app)
# Those that need a cluster, a server, tools or minutes; pages of the documentation run some of them.
ELSEWHERE = {
    "discover", "check", "deploy", "status", "delete", "benchmark", "profile", "tools", "doctor", "fit",
    "experiment", "export", "report", "next-runs",
}  # fmt: skip


def examples(text: str) -> list[list[str]]:
    """The commands of the examples on a help page."""
    found = []
    for part in text.split("Example: ")[1:]:
        lines = part.split("\n")
        kept = [lines[0]]
        for line in lines[1:]:
            if not kept[-1].endswith("\\"):
                break
            kept.append(line.strip())
        command = " ".join(line.removesuffix("\\") for line in kept)
        found += [shlex.split(each.partition(" > ")[0]) for each in command.split(";")]
    return found


@pytest.fixture(scope="module")
def pages():
    def helps(command, path):
        context = command.make_context(path[-1], ["--help"], resilient_parsing=True)
        yield path, command.get_help(context)
        for name, action in getattr(command, "commands", {}).items():
            yield from helps(action, (*path, name))

    return {path: text for name in NAMES for path, text in helps(ROOT.get_command(None, name), (name,))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what examples name: an answer, a table of runs, a request, a trace."""
    home = tmp_path_factory.mktemp("reader")
    asked = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "2", "--concurrency", "8")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "argv", ["simkit", "recommend", *asked, "--top", "2", "-o", str(home / "out")])
        main()
    loads = {"tp": 1, "isl_tokens": 1000, "osl_tokens": 100, "concurrency": [4, 8]}
    rows = pd.DataFrame({"run_id": ["a", "b"], "model": "Qwen/Qwen3-8B", "gpu": "h200_sxm", "num_gpus": 1,
                         "backend": "vllm", **loads, "ttft_ms_mean": 50.0, "itl_ms_mean": 8.0})  # fmt: skip
    rows.to_csv(home / "runs.csv", index=False)
    (home / "request.yaml").write_text(
        "apiVersion: nvidia.com/v1beta1\nkind: DynamoGraphDeploymentRequest\nmetadata: {name: a}\n"
        "spec: {model: Qwen/Qwen3-8B, backend: vllm}\n"
    )
    line = json.dumps({"timestamp": 0, "input_length": 800, "output_length": 40, "hash_ids": [1, 2]})
    with gzip.open(home / "conversation.jsonl.gz", "wt") as file:
        file.write(f"{line}\n" * 8)
    return home


def test_the_help_page_of_all_has_one_that_can_be_copied(simkit):
    ((program, verb, *words),) = examples(simkit("help").out)
    assert (program, verb) == ("simkit", "recommend")
    assert "--total-gpus" in words


def test_every_verb_and_action_has_an_example(pages):
    assert [path for path, text in pages.items() if not examples(text)] == []


def test_flags_and_arguments_are_those_of_the_verb(pages):
    for text in pages.values():
        for program, verb, *words in examples(text):
            assert program == "simkit"
            command, action = ROOT.get_command(None, verb), hasattr(ROOT.get_command(None, verb), "commands")
            command = command.commands[words[0]] if action else command
            command.make_context(verb, words[action:])  # raises for what the verb does not take


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_they_run_as_printed(simkit, folder, pages, monkeypatch, tmp_path, name):
    """Each in a copy: an example may write what another reads."""
    shutil.copytree(folder, tmp_path / "reader")
    monkeypatch.chdir(tmp_path / "reader")
    for _, *words in examples(pages[(name,)]):
        done = simkit(*words)
        assert done.status in (0, 1), (words, done.err)
