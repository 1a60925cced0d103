"""A catalogue of one's own."""

import pytest


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A catalogue of one's own, empty, in place of the shipped one."""
    for name in ("gpus", "models"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SIMKIT_DATA", str(tmp_path))
    return tmp_path
