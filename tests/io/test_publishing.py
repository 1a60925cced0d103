"""A set of files is put in place as a set: the old one or the new one, whatever comes in between."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from simkit.core.errors import ExternalError, InputError
from simkit.io import publishing
from simkit.io.publishing import write_set

OLD = {"a.txt": "old", "sub/b.txt": "old", "c.txt": "old"}
NEW = {"a.txt": "new", "sub/b.txt": b"new", "d.txt": "new"}


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_holds_the_set_and_nothing_else(tmp_path):
    written = write_set(tmp_path / "out", NEW)
    assert written == [tmp_path / "out" / name for name in NEW]
    assert texts(tmp_path / "out") == {"a.txt": "new", "sub/b.txt": "new", "d.txt": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o777 & ~os.umask(os.umask(0o022))


@pytest.mark.parametrize("how", ["exchanged", "one by one"])
def test_what_else_lies_in_the_folder_stays(tmp_path, monkeypatch, how):
    if how == "one by one":
        monkeypatch.setattr(publishing, "_renameat2", lambda: None)
    folder = tmp_path / "out"
    write_set(folder, OLD)
    (folder / "mine").mkdir(mode=0o700)
    (folder / "mine" / "note").write_text("mine")
    (folder / "link").symlink_to("mine/note")
    write_set(folder, NEW, stale=("c*",))
    assert texts(folder) == {
        "a.txt": "new", "sub/b.txt": "new", "d.txt": "new", "mine/note": "mine", "link": "mine",
    }  # fmt: skip
    assert (folder / "link").is_symlink()
    assert stat.S_IMODE((folder / "mine").stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    write_set(tmp_path / "out", OLD)
    (tmp_path / "latest").symlink_to("out")
    write_set(tmp_path / "latest", NEW)
    assert (tmp_path / "latest").is_symlink()
    assert texts(tmp_path / "out")["a.txt"] == "new"


def test_the_folder_that_one_stands_in_is_not_taken_away(tmp_path, monkeypatch):
    write_set(tmp_path / "out", OLD)
    monkeypatch.chdir(tmp_path / "out")
    before = (tmp_path / "out").stat().st_ino
    from pathlib import Path

    write_set(Path(), NEW)
    assert (tmp_path / "out").stat().st_ino == before
    assert Path("a.txt").read_text() == "new"


def test_rights_are_what_they_are_for(tmp_path):
    folder = tmp_path / "out"
    write_set(
        folder,
        {"run.sh": "#!/bin/sh\n", "own.json": "{}", "a": ""},
        programs=("run.sh",),
        private=("own.json",),
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes["own.json"] == 0o600
    assert modes["run.sh"] & 0o100
    assert not modes["a"] & 0o111


@pytest.mark.parametrize("there", [True, False])
def test_a_write_that_fails_leaves_the_old_set_or_none(tmp_path, monkeypatch, there):
    folder = tmp_path / "out"
    if there:
        write_set(folder, OLD)
    full = OSError(28, "No space left on device")

    def fails(*_):
        raise full

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(ExternalError, match=r"cannot be written \(No space left on device\); make room"):
        write_set(folder, NEW)
    assert (texts(folder) == OLD) if there else not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if there else [])


def test_a_place_that_cannot_be_is_the_callers_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; give a folder"):
        write_set(tmp_path / "file", NEW)
    with pytest.raises(InputError, match=r"cannot be written \(File exists\)"):
        write_set(tmp_path / "file" / "out", NEW)


PROGRAM = """
import sys
from pathlib import Path
from simkit.io.publishing import write_set
folder = Path(sys.argv[1])
print("ready", flush=True)
for turn in range(100000):
    write_set(folder, {f"{n}.txt": str(turn) * 2000 for n in range(8)})
"""


def test_a_kill_leaves_one_whole_set(tmp_path):
    """Whenever it comes: all files are of the same turn."""
    for attempt in range(6):
        folder = tmp_path / str(attempt) / "out"
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True
        )
        child.stdout.readline()
        time.sleep(0.05 + 0.013 * attempt)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        found = texts(folder) if folder.exists() else {}
        assert len(found) in (0, 8)
        assert len(set(found.values())) <= 1
        write_set(folder, NEW)  # what the killed one left aside goes with the next
        assert [path.name for path in folder.parent.iterdir()] == ["out"]
