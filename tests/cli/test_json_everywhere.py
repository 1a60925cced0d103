"""`--format json` on every verb and action; with it an error is a JSON object on standard output, too."""

import json

import pytest
from typer.main import get_command

from simkit.cli.command_group import VERBS
from simkit.cli.main import app

_NO_ANSWER = {("experiment", "schema")}  # prints a JSON Schema
_ROOT = get_command(app)


def _commands(name: str):
    verb = _ROOT.get_command(None, name)
    actions = getattr(verb, "commands", None)
    if actions is None:
        yield (name,), verb
        return
    yield from (((name, action), command) for action, command in actions.items())


COMMANDS = dict(pair for verbs in VERBS.values() for name in verbs for pair in _commands(name))


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in _NO_ANSWER], ids=" ".join)
def test_every_verb_takes_the_flag_and_says_errors_in_it(simkit, words):
    command = COMMANDS[words]
    assert "--format" in {name for parameter in command.params for name in parameter.opts}
    found = simkit(*words, "--no-such-flag", "--format", "json")
    assert found.status == 2, found
    told = json.loads(found.out)["error"]
    assert told["exit_code"] == 2
    assert found.err == f"simkit: {told['message']}\n"


ASKED = [
    ("recommend", "--model", "no/such"), ("estimate", "--model", "no/such"),
    ("simulate", "--model", "no/such"),
    ("predict", "absent.csv", "-o", "x.csv"), ("evaluate", "absent.csv"), ("compare", "absent", "absent"),
    ("report", "absent", "-o", "x"), ("models", "zzz"), ("gpus", "zzz"), ("support", "--gpu", "zzz"),
    ("experiment", "run", "absent.yaml"), ("experiment", "status", "absent"), ("export", "absent"),
    ("experiment", "export-data", "absent", "-o", "x.csv"), ("validate", "absent.yaml"),
    ("tools", "--make", "nothing"), ("doctor", "absent", "absent"), ("next-runs", "absent.yaml"),
    ("fit",), ("fit", "--own", "absent.csv"), ("profile", "absent.yaml"), ("check", "absent.yaml"),
    ("benchmark", "absent", "--url", "http://localhost:1"), ("deploy", "absent.yaml"), ("nothing",),
]  # fmt: skip


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_bad_input_is_said_in_json(simkit, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = simkit(*words, "--format", "json")
    assert found.status == 2, found
    told = json.loads(found.out)["error"]
    assert found.err.count("\n") == 1 and told["message"] in found.err
