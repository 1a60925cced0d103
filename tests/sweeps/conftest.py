"""A finished run that tests share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    from small_sweep import completed

    return completed(tmp_path_factory.mktemp("runs") / "small")
