"""One at a time: two processes, killed holders, waiting, and nothing left behind."""

import os
import subprocess
import sys
import threading
import time

import pytest

from simkit.core.errors import InputError
from simkit.io.locks import held, holder, is_held

HOLD = """
import sys, time
from pathlib import Path
from simkit.io.locks import held
with held(Path(sys.argv[1]), "wait"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "run" / ".lock"


@pytest.fixture
def other(lock):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=20)


def test_a_second_one_is_told_who_is_at_work(lock, other):
    assert is_held(lock)
    with (
        pytest.raises(InputError, match=rf"pid {other.pid} on .* since \d{{4}}-.*; wait for it"),
        held(lock, "wait for it"),
    ):
        pass


def test_what_a_killed_holder_left_is_no_lock(lock, other):
    other.kill()
    other.wait(20)
    assert lock.exists()
    assert not is_held(lock)
    with held(lock, "wait"):
        assert holder(lock).startswith(f"pid {os.getpid()} ")
    assert not lock.exists()


def test_the_next_one_waits_and_says_so(lock):
    order, said = [], []

    def second():
        with held(lock, "wait", wait_s=20, waiting=said.append):
            order.append("second")

    with held(lock, "wait"):
        thread = threading.Thread(target=second)
        thread.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    assert said[0].startswith(f"pid {os.getpid()} ")
    assert list(lock.parent.iterdir()) == []


def test_a_folder_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"), held(tmp_path / "file" / "x", "wait"):
        pass
