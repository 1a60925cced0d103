"""Answers of an API server that no reader could work with are the server's failure, in one line."""

import json
from types import SimpleNamespace

import pytest

from simkit.cluster.api import Api
from simkit.cluster.failures import ClusterError

HOSTILE = {
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper than 100"),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", "4300 digits"),
    "half": (b'{"a": "\\ud800"}', "half of a character"),
    "a page": (b"<html>", "not valid JSON"),
}


def api():
    return Api(client=SimpleNamespace(configuration=SimpleNamespace(host="https://k")), namespace="n")


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_object(monkeypatch, kind):
    sent, told = HOSTILE[kind]
    monkeypatch.setattr(Api, "_once", lambda self, method, path, **request: sent)
    with pytest.raises(ClusterError, match=told) as failed:
        api().get("/x")
    assert failed.value.exit_code == 3
    assert str(failed.value).startswith("https://k/x: answers no JSON that can be used (")


@pytest.mark.parametrize(
    "line", [*(sent for sent, _ in HOSTILE.values()), b"[]", b'{"type": "ADDED"}', b'{"object": {}}']
)
def test_a_change(monkeypatch, line):
    good = json.dumps({"type": "ADDED", "object": {"kind": "Pod"}}).encode()

    def stream(size, decode_content):
        yield good + b"\n" + line[:3]
        yield line[3:] + b"\n"

    response = SimpleNamespace(response=SimpleNamespace(stream=stream, close=lambda: None))
    monkeypatch.setattr(Api, "_response", lambda self, *words, **request: response)
    changes = api().watch("/x", {}, 1.0)
    assert next(changes) == ("ADDED", {"kind": "Pod"})
    with pytest.raises(ClusterError, match="a watch holds no JSON that can be used"):
        next(changes)
