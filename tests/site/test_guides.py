"""Every command of the tutorial and of the how-to guides runs as it stands there."""

import shlex
from pathlib import Path

import pytest
from openai_server import openai_server
from tour.pages import commands_of, files_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "howto").glob("*.md")])
SERVER = "http://localhost:8000"
MISSES = {"benchmark", "doctor"}  # a made-up server is not what was predicted: exit status 1 is theirs
pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture
def reader(simkit, tmp_path, monkeypatch):
    """Saves a page's files in an empty folder and runs its commands one after the other."""

    def run(text):
        for name, content in files_of(text).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        monkeypatch.chdir(tmp_path)
        with openai_server(ttft_s=0.02, itl_s=0.0005, model="Qwen/Qwen3-8B") as (url, _):
            for command in commands_of(text):
                words = shlex.split(command.replace(SERVER, url))
                check(words, simkit)

    return run


def check(words, simkit):
    """A command of ours is run; tests and make's targets, which the suite runs anyway, must exist."""
    if words[0] == "simkit":
        done = simkit(*words[1:])
        missed = done.status == 1 and (words[1] in MISSES or " miss" in done.out)
        assert done.status == 0 or missed, (words, done.err)
    elif words[:3] == ["python", "-m", "pytest"]:
        assert [name for name in words[3:] if not (ROOT / name).is_file()] == []
    elif words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
    else:
        assert words == ["source", ".venv/bin/activate"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_run_as_they_stand(reader, path):
    text = path.read_text(encoding="utf-8")
    assert path.name == "index.md" or commands_of(text)
    reader(text)


def test_commands_stand_in_fences_that_are_run():
    """An indented block would look the same and be run by nobody."""
    for path in PAGES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith(("    simkit ", "$ simkit"))] == [], path
