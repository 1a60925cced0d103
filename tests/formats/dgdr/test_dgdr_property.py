"""Generated DGDRs: a valid one always gives a Request, an invalid one an error that names the field."""

from dataclasses import replace

import pytest
from dgdr_strategies import BREAKERS, NODE_GPUS, blocks, broken, documents
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.core.errors import InfeasibleError, InputError
from simkit.formats.dgdr.read import dgdr_faults, request_from_document, request_to_document
from simkit.formats.validate import validate_documents
from simkit.verbs.answer_files.folder import dgd_documents
from simkit.verbs.recommend import recommend


@pytest.mark.slow
@settings(max_examples=200)
@given(documents())
def test_a_valid_document_gives_a_request(document):
    assert dgdr_faults(document) == []
    request = request_from_document(document, "generated")
    spec = document["spec"]
    assert request.model == spec["model"]
    assert request.backend == spec.get("backend", "auto")
    assert request.hardware.total_gpus == spec.get("hardware", {}).get("totalGpus")
    assert request.workload.isl_tokens == spec.get("workload", {}).get("isl", 4000)
    planner = spec.get("features", {}).get("planner")
    assert (request.deploy.planner is not None) == (
        planner is not None and planner.get("enabled") is not False
    )
    again = request_from_document(request_to_document(request), request.source)
    # Bounds are written in milliseconds, to twelve digits.
    assert again.slo.bounds == pytest.approx(request.slo.bounds, rel=1e-11)
    assert replace(again, warnings=(), slo=request.slo) == replace(request, warnings=())
    assert replace(again.slo, **request.slo.bounds) == request.slo


@settings(max_examples=300)
@given(documents(), st.sampled_from(BREAKERS))
def test_an_invalid_document_gives_an_error_that_names_the_field(document, breaker):
    change, path = breaker
    document = broken(document, change)
    with pytest.raises(InputError) as caught:
        request_from_document(document, "generated")
    assert "\n" not in str(caught.value)
    found = [fault for fault in dgdr_faults(document) if fault.path.startswith(path)]
    assert found, dgdr_faults(document)
    assert found[0].problem
    assert found[0].remedy


# Each breaks a block of its own, so that none undoes another.
APART = (
    "spec.workload.isl",
    "spec.sla.ttft",
    "spec.hardware.gpuSku",
    "spec.modelCache.pvcName",
    "spec.model",
)


@settings(max_examples=60)
@given(documents(), st.sets(st.sampled_from(APART), min_size=2))
def test_every_fault_is_told_at_once(document, places):
    for place in places:
        change = next(change for change, path in BREAKERS if path == place)
        document = broken(document, change)
    found = {fault.path for fault in validate_documents([document], "generated")}
    assert places <= found


searchable = documents(
    hardware=st.builds(
        lambda gpu, total, node: {"gpuSku": gpu, "totalGpus": total, **node},
        st.sampled_from(NODE_GPUS),
        st.integers(1, 48),
        blocks(numGpusPerNode=st.sampled_from([4, 8])),
    ),
    workload=st.builds(
        lambda isl, osl, load: {"isl": isl, "osl": osl, **load},
        st.integers(1, 16_000),
        st.integers(2, 2_000),
        st.just({})
        | st.builds(dict, concurrency=st.integers(1, 300))
        | st.builds(dict, requestRate=st.floats(0.1, 20)),
    ),
).filter(lambda document: "hardware" in document["spec"])


@pytest.mark.slow
@settings(max_examples=25)
@given(searchable)
def test_a_valid_request_ends_in_valid_deployments_within_the_budget(document):
    try:
        found = recommend(document)
    except InfeasibleError as error:
        assert "does not fit" in str(error) or "no deployment in mode" in str(error)
        return
    budget = document["spec"]["hardware"]["totalGpus"]
    assert found.candidates
    for candidate in found.candidates:
        assert candidate.deployment.num_gpus <= budget
    assert validate_documents(dgd_documents(found, found.selected), "generated") == []
