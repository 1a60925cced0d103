"""A profile's folder: points kept whole, questions told apart, failures that can be forgotten."""

import json

import pytest

from simkit.core.errors import InputError
from simkit.core.measured import Run, Source
from simkit.formats.profile_store import Failure, ProfileStore, digest_of

RUN = Run(source=Source(tool="t", path="p"), isl_tokens=10, osl_tokens=5, num_requests=3)
ASKED = {"request": {"model": "m"}, "seed": 1}


@pytest.fixture
def store(tmp_path):
    found = ProfileStore(tmp_path)
    assert not found.open(ASKED)
    return found


def test_points_come_back_as_they_were(store):
    assert store.get("a", "x") is None
    store.put("a", "x", RUN)
    store.put("a", "y", Failure(reason="out of memory"))
    assert store.get("a", "x") == RUN
    assert store.get("a", "y") == Failure(reason="out of memory")
    assert store.forget_failures() == 1
    assert store.get("a", "y") is None
    assert store.get("a", "x") == RUN


def test_the_same_question_goes_on_and_another_is_refused(store, tmp_path):
    store.enter("SweepingDecode", "engines")
    assert ProfileStore(tmp_path).open(dict(reversed(ASKED.items())))  # the order does not matter
    with pytest.raises(InputError, match="seed differs"):
        ProfileStore(tmp_path).open({**ASKED, "seed": 2})
    assert json.loads((tmp_path / "profile.json").read_text())["phase"] == "SweepingDecode"
    assert digest_of(ASKED) != digest_of({**ASKED, "seed": 2})


def test_a_folder_of_another_kind_is_refused(tmp_path):
    (tmp_path / "profile.json").write_text('{"kind": "else"}')
    with pytest.raises(InputError, match="not a profile"):
        ProfileStore(tmp_path).open(ASKED)


def test_a_damaged_point_is_named_not_measured_over(store, tmp_path):
    store.put("a", "x", RUN)
    (tmp_path / "measured" / "a" / "x.json").write_text('{"kind": "simkit.run"')
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        store.get("a", "x")
