"""Structure-aware mutations of valid deployments: never a traceback, always faults of one line.

SIMKIT_MUTATIONS sets how many are tried (200,000 takes about ten minutes); the default fits a test run.
"""

import copy
import datetime
import os
import random
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import load_documents

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "dgd"
COUNT = int(os.environ.get("SIMKIT_MUTATIONS", "3000"))
SHARDS = 4

DEEP = {"a": [{"b": [{"c": [None] * 3}]}] * 3}
HOSTILE = (
    None, True, False, 0, -1, 1, 2**31, 10**30, -0.0, 1e308, float("nan"), float("inf"), "", " ", "0", "-1",
    "1e9", "None", "main", "worker", "prefill", "x" * 5000, "../../etc/passwd", "/abs/../../path",
    "$(reboot)", "; rm -rf / #", "`id`", "{{ x }}", "<tag>", "a\nb", "a\x00b", "\u202e\u2066", "ﬀ☃💥",
    "--", "-", "=", "--tensor-parallel-size=9999999999999999999", "--data-parallel-size -1", "hf_" + "a" * 40,
    '{"kv_role":', "[1,2", "'unclosed", [], {}, [[]], [None], [{}], {"": ""}, {"name": None}, {"name": []},
    DEEP, {1: 2}, {None: 1}, datetime.date(2026, 1, 1), b"bytes", (1, 2), 3 + 4j,
)  # fmt: skip
KEYS = ("name", "type", "args", "command", "env", "spec", "replicas", "multinode", "nodeCount", "limits",
        "nvidia.com/gpu", "metadata", "apiVersion", "kind", "services", "components", "podTemplate",
        "containers", "volumeMounts", "scalingAdapter", "compilationCache", "data", "", 5, None)  # fmt: skip


def places(value, path=()):
    """Every path below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def set_at(document, path, value):
    at(document, path[:-1])[path[-1]] = value


def replace_value(rng, document, path):
    set_at(document, path, copy.deepcopy(rng.choice(HOSTILE)))


def delete(rng, document, path):
    del at(document, path[:-1])[path[-1]]


def rename(rng, document, path):
    parent = at(document, path[:-1])
    if isinstance(parent, dict):
        parent[rng.choice(KEYS)] = parent.pop(path[-1])


def insert(rng, document, path):
    value = at(document, path)
    if isinstance(value, dict):
        value[rng.choice(KEYS)] = copy.deepcopy(rng.choice(HOSTILE))
    elif isinstance(value, list):
        value.insert(rng.randint(0, len(value)), copy.deepcopy(rng.choice(HOSTILE)))


def repeat(rng, document, path):
    value = at(document, path)
    if isinstance(value, list) and value:
        value.extend(copy.deepcopy(value) * rng.choice((1, 1, 10)))


def transplant(rng, document, path):
    others = list(places(document))
    set_at(document, path, copy.deepcopy(at(document, rng.choice(others))))


def edit_text(rng, document, path):
    value = at(document, path)
    if isinstance(value, str) and value:
        cut = rng.randrange(len(value))
        set_at(
            document,
            path,
            value[:cut] + rng.choice(("", "-", " ", "9", "\n", "é", '"', "=")) + value[cut + 1 :],
        )


OPERATORS = (replace_value, replace_value, delete, rename, insert, repeat, transplant, edit_text)


def mutant(rng, originals):
    documents = copy.deepcopy(rng.choice(originals))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        index = rng.randrange(len(documents))
        found = list(places(documents[index])) if isinstance(documents[index], dict | list) else []
        if not found:
            break
        rng.choice(OPERATORS)(rng, documents[index], rng.choice(found))
    return documents


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_mutation_is_a_traceback(shard):
    rng = random.Random(shard)  # noqa: S311
    originals = [load_documents(path) for path in sorted(GOLDEN.glob("*.yaml"))]
    told = valid = 0
    for _ in range(COUNT // SHARDS):
        documents = mutant(rng, originals)
        faults = validate_documents(documents, "f.yaml")
        for fault in faults:
            assert "\n" not in str(fault), str(fault)
            assert fault.path, fault
            assert fault.remedy, fault
        try:
            parse_dgd(documents, source="f.yaml")
        except InputError as error:
            assert str(error).startswith("f.yaml: "), error
            assert "\n" not in str(error), error
        told += bool(faults)
        valid += not faults
    assert told > valid > 0, "most mutations break something, some do not matter"
