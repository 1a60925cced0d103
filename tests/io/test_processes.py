"""Children end with us, or are found again: groups, notes, orphans, strangers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simkit.core.errors import ExternalError
from simkit.io.processes import Child, Launch, clean_orphans, group_alive, log_reason, log_tail, start_time

# Starts a child of its own that ignores polite requests, and says its number.
STUBBORN = """
import signal, subprocess, sys, time
code = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(1, flush=True); time.sleep(60)"
)
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.read(1)
print(child.pid, flush=True)
time.sleep(60)
"""
SLEEP = "import time; time.sleep(60)"


def launch(tmp_path, code, folders=()):
    return Launch(
        command=[sys.executable, "-c", code], log=tmp_path / "log", env=dict(os.environ), folders=folders
    )


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def notes(tmp_path):
    return list((tmp_path / "running").glob("*.json"))


def test_the_whole_group_ends_even_a_grandchild_that_will_not(tmp_path):
    with Child(launch(tmp_path, STUBBORN), tmp_path / "running") as child:
        wait_for(lambda: log_tail(tmp_path / "log").isdigit())
        grandchild = int(log_tail(tmp_path / "log"))
        assert start_time(grandchild)
        assert len(notes(tmp_path)) == 1
        child.stop(grace_s=0.3)
        assert start_time(grandchild) is None
        assert not group_alive(child.pid)
    assert notes(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_it_ends_whatever_is_raised_and_takes_its_folders_along(tmp_path, error):
    folder = tmp_path / ".simkit-kv"
    folder.mkdir()
    with (
        pytest.raises(error),
        Child(launch(tmp_path, SLEEP, (folder,)), tmp_path / "running") as child,
    ):
        raise error
    assert start_time(child.pid) is None
    assert not folder.exists()
    assert notes(tmp_path) == []


def test_what_cannot_be_started_is_said(tmp_path):
    words = Launch(command=[str(tmp_path / "absent")], log=tmp_path / "log", env={})
    with pytest.raises(ExternalError, match="absent: cannot be started"):
        Child(words, tmp_path / "running")
    assert notes(tmp_path) == []


def test_a_time_out_is_told_from_an_end(tmp_path):
    with Child(launch(tmp_path, SLEEP), tmp_path / "running") as child:
        with pytest.raises(TimeoutError, match="no end after"):
            child.wait(0.05)
        assert child.exit_status is None
    with Child(launch(tmp_path, "raise SystemExit(7)"), tmp_path / "running") as child:
        assert child.wait(20) == 7


ABANDON = """
import os, sys
from pathlib import Path
from simkit.io.processes import Child, Launch
place = Path(sys.argv[1])
(place / ".simkit-kv").mkdir()
words = [sys.executable, "-c", "import time; time.sleep(60)"]
child = Child(Launch(command=words, log=place / "log", env=dict(os.environ), folders=(place / ".simkit-kv",)),
              place / "running")
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_left_behind_is_found_and_ended(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ABANDON, str(tmp_path)], capture_output=True, text=True, check=False
    )
    orphan = int(done.stdout)
    assert start_time(orphan)
    assert len(notes(tmp_path)) == 1
    (ended,) = clean_orphans(tmp_path / "running")
    assert "import time" in ended
    wait_for(lambda: start_time(orphan) is None)
    assert notes(tmp_path) == []
    assert not (tmp_path / ".simkit-kv").exists()


def test_children_of_a_living_owner_and_strangers_are_spared(tmp_path):
    with Child(launch(tmp_path, SLEEP), tmp_path / "running") as child:
        assert clean_orphans(tmp_path / "running") == []
        (note,) = notes(tmp_path)
        document = json.loads(note.read_text())
        # The owner is gone and the child's number has been given to another process since.
        note.write_text(json.dumps({**document, "owner": 2**22 + 5, "started": "1", "token": "another"}))
        assert clean_orphans(tmp_path / "running") == []
        assert child.exit_status is None
    assert notes(tmp_path) == []


EARLY = """
import os, sys
from pathlib import Path
from simkit.io import processes
place = Path(sys.argv[1])
real = processes.subprocess.Popen
def popen(*words, **more):
    real(*words, **more)
    os.kill(os.getpid(), 9)
processes.subprocess.Popen = popen
words = [sys.executable, "-c", "import time; time.sleep(60)", sys.argv[2]]
processes.Child(processes.Launch(command=words, log=place / "log", env=dict(os.environ)), place / "running")
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="finds a child by its environment in /proc")
def test_a_kill_in_the_instant_of_starting_leaves_a_child_that_is_found(tmp_path):
    mark = f"mark-{os.getpid()}"
    subprocess.run([sys.executable, "-c", EARLY, str(tmp_path), mark], check=False)

    def alive():
        return [
            item for item in Path("/proc").glob("[0-9]*/cmdline") if item.exists() and mark in _words(item)
        ]

    wait_for(alive)
    (note,) = notes(tmp_path)
    assert json.loads(note.read_text())["pid"] == 0
    temporary = Path(json.loads(note.read_text())["folders"][-1])
    assert temporary.is_dir()
    (ended,) = clean_orphans(tmp_path / "running")
    assert "import time" in ended
    wait_for(lambda: not alive())
    assert notes(tmp_path) == []
    assert not temporary.exists()


def _words(file):
    try:
        return file.read_text()
    except OSError:
        return ""


def test_a_child_that_leaves_its_group_ends_with_it(tmp_path):
    code = (
        "import subprocess, sys; "
        "words = [sys.executable, '-c', 'import time; time.sleep(60)']; "
        "child = subprocess.Popen(words, start_new_session=True); "
        "print(child.pid, flush=True)"
    )
    with Child(launch(tmp_path, code), tmp_path / "running") as child:
        assert child.wait(20) == 0
        away = int(log_tail(tmp_path / "log"))
        assert start_time(away)
    wait_for(lambda: start_time(away) is None)


def test_temporary_files_of_a_child_go_with_it(tmp_path):
    code = "import tempfile; print(tempfile.mkstemp()[1], flush=True)"
    with Child(launch(tmp_path, code), tmp_path / "running") as child:
        assert child.wait(20) == 0
        left = Path(log_tail(tmp_path / "log"))
        assert left.is_file()
        assert left.parent.name.startswith("simkit-")
    assert not left.parent.exists()


def test_half_written_notes_are_put_away(tmp_path):
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "9.json").write_text('{"pid": 9')
    assert clean_orphans(tmp_path / "running") == []
    assert notes(tmp_path) == []


def test_the_first_error_is_the_reason_and_the_last_lines_follow(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "(Worker pid=7) WARNING few files, such as OSError: [Errno 24]\n"
        "(Worker pid=7) ERROR 12:00 [x.py:9] ValueError: no room for weights\n"
        "Traceback\n  raise RuntimeError(\nRuntimeError: Engine core failed. See root cause above.\n"
    )
    said = log_reason(log, 1)
    assert said == (
        "ValueError: no room for weights | ... | RuntimeError: Engine core failed. See root cause above."
    )
    log.write_text("torch.OutOfMemoryError: 2 GiB\nbye\n")
    assert log_reason(log) == "torch.OutOfMemoryError: 2 GiB | bye"
    log.write_text("Errors: 0\nbye\n")
    assert log_reason(log) == "Errors: 0 | bye"
    assert log_reason(tmp_path / "none") == ""
