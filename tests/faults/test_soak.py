"""A slice of `make soak`: every reader is given damaged files, and answers or refuses in one line."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOAK = ROOT / "experiments" / "faults" / "soak.py"


@pytest.mark.slow
def test_no_damaged_file_is_a_traceback_a_warning_or_a_hang(tmp_path):
    words = [
        sys.executable,
        SOAK,
        "--slices",
        "5",
        "--samples",
        tmp_path / "s",
        "--write",
        tmp_path / "found.json",
    ]
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["inputs"] > 1200
    assert found["slowest_cpu_s"] < 10
    assert found["peak_memory_mib"] < 1024
    for name, reader in found["readers"].items():
        assert reader["refused"], f"{name} takes everything"


def test_a_broken_promise_is_counted_by_its_place(tmp_path):
    """What breaks is told with the number that repeats it; the same number gives the same bytes."""
    sys.path.insert(0, str(SOAK.parents[1]))
    from faults.mutations.files import damaged
    from faults.readers.reader import Reader
    from faults.soak import Tally, one_input

    def breaks(path):
        json.loads(path.read_bytes().decode("latin-1"))["a"].clear()

    reader = Reader(name="broken", sample="x", form="json", read=breaks)
    tally = Tally()
    for seed in range(40):
        one_input(reader, tmp_path / "x", b'{"a": [1, 2, {"b": null}]}', seed, tally)
    assert tally.inputs == 40
    assert tally.read
    assert tally.broken.total() == 40 - tally.read
    assert all(0 <= seed < 40 for seed in tally.seeds.values())
    same = [damaged(b'{"a": [1, 2]}', "json", random.Random("x:1")) for _ in range(2)]  # noqa: S311
    assert same[0] == same[1]
