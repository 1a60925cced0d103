"""The help page, and what a person sees who mistypes a verb."""

import subprocess
import sys

import pytest

from simkit.cli.command_group import VERBS

NAMES = [name for group in VERBS.values() for name in group]


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["--help"]])
def test_the_help_page_groups_verbs_by_what_people_do(simkit, words):
    run = simkit(*words)
    assert run.status == 0
    at = [run.out.index(f"\n{heading}:\n") for heading in VERBS]
    assert at == sorted(at)
    for name in NAMES:
        assert f"\n  {name} " in run.out


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_has_a_help_page_of_its_own(simkit, name):
    run = simkit("help", name)
    assert run.status == 0
    assert run.out.startswith(f"Usage: simkit {name} ")
    assert run.out == simkit(name, "-h").out == simkit(name, "--help").out


@pytest.mark.parametrize("words", [["recomend"], ["help", "recomend"]])
def test_a_mistyped_verb_names_the_nearest(simkit, words):
    run = simkit(*words)
    assert run.status == 2
    assert run.err.startswith("simkit: unknown verb 'recomend'; did you mean recommend")
    assert run.err.count("\n") == 1


def test_a_verb_loads_no_other():
    others = ("simkit.cli.simulate", "simkit.verbs.simulate", "simkit.cli.fit")
    code = (
        "import sys; from simkit.cli.main import app; app(['recommend', '--help'], standalone_mode=False);"
        f"print([name for name in {others!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.endswith("[]\n")


def test_a_shell_completes_verbs_and_flags(simkit, monkeypatch):
    for typed, place, expected in (
        ("simkit reco", 1, "recommend"),
        ("simkit estimate --conc", 2, "--concurrency"),
    ):
        monkeypatch.setenv("_SIMKIT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(place))
        assert simkit().out.split() == [expected]
