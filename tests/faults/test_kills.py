"""What the kills look at: how a command ended, and what lies there afterwards."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults.killing import places
from faults.killing.places import ended, place

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({0}))
print()
time.sleep(60)
"""


def started(where, text):
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", text],
        env=dict(where.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("status", "odd"), [(143, ""), (130, "exit status 130 after SIGTERM"), (5, "status 5")]
)
def test_a_status_that_is_not_the_signals_own_is_odd(status, odd):
    with place() as where:
        found = ended(started(where, DEAF.format(status)), 0.1, signal.SIGTERM)
    assert found.number == signal.SIGTERM
    assert odd in found.odd
    assert bool(odd) == bool(found.odd)


def test_what_is_left_is_seen_wherever_it_lies(monkeypatch):
    monkeypatch.setattr(places, "STAYS_S", 0.5)
    with place() as where:
        out = where.root / "out"
        for path in (
            out / ".x.part",
            out / "lock",
            where.cache / "running" / "a.json",
            where.root / "tmp" / "y",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (out / "kept.json").touch()
        process = started(where, "import time; print(); time.sleep(60)")
        assert len(where.left(out)) == 5
        process.kill()
        process.communicate()
        assert len(where.left(out)) == 4
