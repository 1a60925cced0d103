"""Against what Dynamo's own profiler 1.6.1 wrote for the same requests: the same envelope.

What is chosen may differ; where the mode is the same, so are the components. Curves for a Planner or
mocker come on top.
"""

from pathlib import Path

import pytest
import yaml

from simkit.formats.validate import validate_documents
from simkit.profiler.job import Job, run
from simkit.profiler.status import StatusFile

SHARED = Path(__file__).resolve().parents[3] / "shared"
EXAMPLES = SHARED / "examples" / "dgd" / "profiler_1.6.1"
NAMES = sorted(path.name.removesuffix(".dgdr.yaml") for path in EXAMPLES.glob("*.dgdr.yaml"))
OURS_ALONE = {"backendFramework"}  # allowed by the schema; says what the images imply

pytestmark = pytest.mark.skipif(not NAMES, reason=f"no real outputs at {EXAMPLES}")


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def components(found):
    return {item["type"]: item for item in found[-1]["spec"]["components"]}


def main_container(component):
    return component["podTemplate"]["spec"]["containers"][0]


def mode(found):
    return "disagg" if "prefill" in components(found) else "agg"


def volumes(component):
    """Claims and ConfigMaps by kind, with where the main container has them."""
    places = {item["name"]: item["mountPath"] for item in main_container(component).get("volumeMounts", [])}
    spec = component["podTemplate"]["spec"]
    return {
        (kind, places[item["name"]] if kind == "persistentVolumeClaim" else "")
        for item in spec.get("volumes", [])
        for kind in item
        if kind != "name"
    }


@pytest.fixture(params=NAMES, scope="module")
def both(request, tmp_path_factory):
    """The real output and ours for one request."""
    tmp_path = tmp_path_factory.mktemp("profile")
    source = EXAMPLES / f"{request.param}.dgdr.yaml"
    run(Job(config=str(source), folder=tmp_path), StatusFile(tmp_path))
    return documents(EXAMPLES / f"{request.param}.dgd.yaml"), documents(tmp_path / "final_config.yaml")


def test_documents_come_in_the_same_number_and_order(both):
    theirs, whole = both
    # Their Planner computes its curves itself, from tables in its image; ours is given them.
    ours = [d for d in whole if not d["metadata"]["name"].startswith("planner-profile-data-")]
    assert len(whole) - len(ours) <= 1
    assert [(d["apiVersion"], d["kind"]) for d in ours] == [(d["apiVersion"], d["kind"]) for d in theirs]
    for their_map, our_map in zip(theirs[:-1], ours[:-1], strict=True):
        assert list(our_map["data"]) == list(their_map["data"])
        assert our_map["metadata"]["name"].startswith("planner-config-")
    assert set(ours[-1]) == set(theirs[-1])
    assert set(ours[-1]["spec"]) - OURS_ALONE == set(theirs[-1]["spec"])
    assert validate_documents(whole, "ours") == []


def test_components_match_where_the_mode_does(both):
    theirs, ours = both
    shared = set(components(theirs)) & set(components(ours))
    assert "frontend" in shared
    if mode(theirs) == mode(ours):
        assert set(components(theirs)) == set(components(ours))
    for kind in shared:
        their, our = components(theirs)[kind], components(ours)[kind]
        assert main_container(our)["command"] == main_container(their)["command"]
        assert volumes(their) <= volumes(our)  # their mockers leave the model cache out
        assert ("scalingAdapter" in our) == ("scalingAdapter" in their)
        assert main_container(their).get("envFrom") in (None, main_container(our).get("envFrom"))


def test_images_come_from_the_same_place(both):
    _, ours = both
    registries = {
        main_container(item)["image"].rpartition("/")[0]
        for found in both
        for item in components(found).values()
    }
    assert len(registries) == 1
    tags = {main_container(item)["image"].rpartition(":")[2] for item in components(ours).values()}
    assert tags == {"1.6.1"}
