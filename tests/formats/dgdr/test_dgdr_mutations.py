"""Damaged requests: a Request or a named error in one line, never a traceback.

The same mutations run 200,000 strong with `python experiments/faults/mutated_dgdrs.py`.
"""

import copy
from collections import Counter
from pathlib import Path

import pytest
from faults.mutated_dgdrs import SEEDS, run
from faults.mutations.documents import HOSTILE_NUMBERS, HOSTILE_OTHERS, HOSTILE_TEXTS, at, bomb, nodes
from faults.promises import check_document

from simkit.core.errors import InputError
from simkit.formats.dgdr.read import dgdr_faults, request_from_document
from simkit.io.yamlio import load_document, parse_documents

ROOM = Path(__file__).resolve().parents[3] / "experiments" / "faults"
FULL = load_document(ROOM / "seeds" / "full.yaml")


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_what_is_mutated_is_valid(path):
    assert dgdr_faults(load_document(path)) == []


@pytest.mark.slow
def test_thousands_of_mutations_break_no_promise():
    seen, broken = run(3_000, 0)
    assert broken == [], (
        f"repeat with: python experiments/faults/mutated_dgdrs.py --seed {broken[0]} --count 1"
    )
    # Both ways out are taken often, or the mutations test nothing.
    assert seen["accepted"] > 400
    assert seen["refused"] > 1200
    assert seen["rendered"] > 0.9 * seen["accepted"]


HOSTILE = (*HOSTILE_TEXTS, *HOSTILE_NUMBERS, *HOSTILE_OTHERS)


@pytest.mark.parametrize(("place", "path"), list(enumerate(nodes(FULL)[1:])))
def test_every_field_with_hostile_values(place, path):
    """A third of them for each field, so that each value meets a third of the fields."""
    seen = Counter()
    for value in HOSTILE[place % 3 :: 3]:
        document = copy.deepcopy(FULL)
        at(document, path[:-1])[path[-1]] = copy.deepcopy(value)
        check_document(document, seen)
    assert seen["accepted"] + seen["refused"] == len(HOSTILE[place % 3 :: 3])


@pytest.mark.parametrize("levels", [6, 7, 9])
def test_a_yaml_bomb_is_refused(levels):
    with pytest.raises(InputError, match="aliases expand to over"):
        parse_documents((ROOM / "seeds" / "full.yaml").read_text() + bomb(levels), "request.yaml")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("model", "$(HF_TOKEN)", "spec.model"),
        ("model", "--trust-remote-code", "spec.model"),
        ("model", "a'; reboot #", "spec.model"),
        ("image", "a:1.0.0\nmalicious: true", "spec.image"),
        ("image", "$(cat /etc/passwd):1.6.1", "spec.image"),
        ("modelCache.pvcName", "../other", "spec.modelCache.pvcName"),
        ("modelCache.pvcModelPath", "a/../../b", "spec.modelCache.pvcModelPath"),
        ("modelCache.pvcModelPath", "$(HF_TOKEN)/x", "spec.modelCache.pvcModelPath"),
        ("modelCache.pvcMountPath", "/", "spec.modelCache.pvcMountPath"),
        ("modelCache.pvcMountPath", "/a/../etc", "spec.modelCache.pvcMountPath"),
        ("workload.isl", 10**400, "spec.workload.isl"),
        ("workload.requestRate", 1e308, "spec.workload.requestRate"),
        ("sla.ttft", 1e308, "spec.sla.ttft"),
        ("hardware.totalGpus", 2**63, "spec.hardware.totalGpus"),
        ("runtimeVersionOverride", "1.6.1\n", "spec.runtimeVersionOverride"),
    ],
)
def test_hostile_values_are_told_by_their_field(path, value, problem):
    document = copy.deepcopy(FULL)
    *parents, last = ("spec", *path.split("."))
    at(document, tuple(parents))[last] = value
    with pytest.raises(InputError) as caught:
        request_from_document(document, "request.yaml")
    assert str(caught.value).startswith(f"request.yaml: {problem}: ")
    assert str(caught.value).isprintable()
