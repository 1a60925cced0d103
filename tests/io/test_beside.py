"""Processes beside a command end with it, even where it is killed and can tell them nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.killing.places import processes_with

BOTH = """
import sys, time
from joblib import delayed
from simkit.io.beside import side_by_side

def work(seconds):
    print("works", flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    side_by_side(2)(delayed(work)(seconds) for seconds in (60, 60))
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_command(tmp_path, number):
    (tmp_path / "both.py").write_text(BOTH)
    mark = f"BESIDE_TEST={tmp_path}"
    child = subprocess.Popen(
        [sys.executable, str(tmp_path / "both.py")],
        env={**os.environ, "BESIDE_TEST": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(2):
        assert child.stdout.readline() == "works\n"
    child.send_signal(number)
    child.wait(30)
    for _ in range(100):
        if not processes_with(mark):
            break
        time.sleep(0.1)
    assert not processes_with(mark)
