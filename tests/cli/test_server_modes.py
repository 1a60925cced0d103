"""A server that misbehaves ends a benchmark in time, with one line that says how, and leaves no run."""

import json
import re
import time

import pytest
from live import needs_aiperf
from openai_server import FAULTS, PAGE_FAULTS, openai_server

pytestmark = [pytest.mark.slow, pytest.mark.server]
ASKED = (
    *("--isl", "64", "--osl", "4", "--concurrency", "2", "--requests", "4", "--client", "builtin"),
    *("--stall", "0.4", "--timeout", "8", "--model", "tiny"),
)


@pytest.fixture
def measured(simkit, tmp_path):
    def run(url, *words):
        begun = time.monotonic()
        done = simkit("benchmark", "--url", url, *ASKED, "-o", tmp_path / "run", *words)
        assert time.monotonic() - begun < 30
        return done

    return run


@pytest.mark.parametrize("fault", [*FAULTS, "comments"])
def test_answers_that_are_none(fault, measured, tmp_path):
    with openai_server(fault=fault) as (url, state):
        done = measured(url)
        state.release.set()
    said = FAULTS[fault][1] if fault in FAULTS else "not done after"
    assert done.status == 3
    assert re.search(said, done.err), done.err
    assert done.err.count("\n") == 2  # what is measured, and why that failed
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("page", PAGE_FAULTS)
def test_pages_that_are_none(page, measured):
    with openai_server(page_fault=page) as (url, state):
        done = measured(url)
        state.release.set()
    assert done.status == 3
    assert re.search(PAGE_FAULTS[page], done.err), done.err
    assert "\x1b" not in done.err


def test_a_key_is_sent_and_stands_nowhere(measured, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_API_KEY", "sk-secret")
    with openai_server(key="Bearer sk-secret") as (url, state):
        done = measured(url, "--format", "json")
        assert done.status == 0, done.err
        monkeypatch.delenv("SIMKIT_API_KEY")
        refused = measured(url)
    assert len(state.seen) > 4
    assert refused.status == 3
    assert "HTTP 401; a key goes into SIMKIT_API_KEY or --api-key-file" in refused.err
    kept = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (*kept, done.out, done.err) if "sk-secret" in text]


def test_a_password_of_an_address_is_sent_and_stands_nowhere(measured, tmp_path):
    with openai_server(key="Basic YW5uYTpodXNo") as (url, _):
        done = measured(url.replace("//", "//anna:hush@"), "--format", "json")
    assert done.status == 0, done.err
    assert json.loads(done.out)
    kept = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (*kept, done.out, done.err) if "hush" in text or "YW5uYTpodXNo" in text]


@needs_aiperf
def test_aiperf_sends_the_key_that_no_command_line_shows(simkit, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_API_KEY", "sk-secret")
    asked = (*ASKED[:8], "--model", "tiny", "--tokenizer", "builtin", "--warmup", "1")
    with openai_server(key="Bearer sk-secret") as (url, state):
        done = simkit("benchmark", "--url", url, *asked, "-o", tmp_path / "run")
    assert done.status == 0, done.err
    assert len(state.seen) >= 4
    kept = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (*kept, done.out, done.err) if "sk-secret" in text]


def test_a_program_that_is_no_script_gets_no_key(measured, monkeypatch):
    monkeypatch.setenv("SIMKIT_API_KEY", "sk-secret")
    with openai_server(key="Bearer sk-secret") as (url, _):
        done = measured(url, "--client", "aiperf", "--aiperf", "/bin/true")
    assert done.status == 2
    assert "is no Python script" in done.err
