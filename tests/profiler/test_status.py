"""The status file as the operator's sidecar reads it: with grep, sed and awk, line by line."""

import subprocess

import pytest
import yaml

from simkit.profiler.status import Phase, StatusFile, one_line

HOSTILE = [
    "plain",
    'it\'s "quoted": {a: [1, 2]} # not a comment',
    "two\nlines\r\nand\ttabs",
    "a back\\slash \\n \\u0041",
    "$(touch made) `touch made` ${HOME}",
    "- a list item",
    "null",
    "ünïcode 模型",
    "bell \x07 and \x1b[31mred",
    "x" * 5000,
]


def sidecar(folder, key):
    """The text of a key as a line-based reader sees it, quotes dropped."""
    script = f"grep '^{key}:' profiler_status.yaml | sed 's/^{key}: *//' | tr -d '\"' | tr -d \"'\""
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_survives_the_sidecar(tmp_path, text):
    status = StatusFile(tmp_path)
    status.enter(Phase.SWEEPING, "searching")
    status.fail(text, text)
    assert sidecar(tmp_path, "status") == "failed"
    assert sidecar(tmp_path, "phase") == "SweepingPrefill"
    for key in ("message", "error"):
        seen = sidecar(tmp_path, key)
        assert "\n" not in seen
        assert seen == one_line(text).replace('"', "").replace("'", "")
        # The sidecar puts it between double quotes.
        assert yaml.safe_load(f'message: "{seen}"') == {"message": seen}
    assert yaml.safe_load((tmp_path / "profiler_status.yaml").read_text())["error"] == one_line(text)
    assert len(one_line(text)) <= 1000


def test_phases_are_dynamos_own():
    known = {"Initializing", "SweepingPrefill", "SelectingConfig", "BuildingCurves", "GeneratingDGD", "Done"}
    assert {phase.value for phase in Phase} <= known


def test_a_change_replaces_the_file_whole(tmp_path):
    status = StatusFile(tmp_path)
    status.fail("first", "because")
    first = (tmp_path / "profiler_status.yaml").stat().st_ino
    status.succeed("then", {"final_config": "final_config.yaml"}, ["mind\nthis"])
    content = yaml.safe_load((tmp_path / "profiler_status.yaml").read_text())
    assert (tmp_path / "profiler_status.yaml").stat().st_ino != first
    assert list(content) == ["status", "timestamp", "phase", "message", "outputs", "warnings"]
    assert content["warnings"] == ["mind this"]
    assert content["timestamp"].endswith("Z")
