"""The draft of a DGD: flags say all but the acceptance, which simkit writes beside them."""

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.draft import Draft, parse_draft
from simkit.core.errors import InputError
from simkit.core.request import DeployOptions, Request
from simkit.engines.registry import default_engine, engine_names
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.dgd.render import render
from simkit.formats.dgd.site import DRAFT_ANNOTATION

EAGLE = Draft(method="eagle", tokens=2, acceptance=0.7512345678, model="org/head")
NGRAM = Draft(method="ngram", tokens=3, acceptance=1.0)


def rendered(backend, draft, *, version="v1beta1", split=False):
    pool = Pool(plan=ParallelPlan(tp=2), engine=default_engine(backend, draft=draft))
    deployment = Disaggregated(prefill=pool, decode=pool) if split else Aggregated(worker=pool)
    asked = Request(model="org/model")
    return render(deployment, asked, model="org/model", gpus_per_node=8, total_gpus=8, version=version)


def engines(documents):
    return [pool.engine for pool in parse_dgd(documents, source="dgd.yaml").deployment.pools]


@pytest.mark.parametrize("backend", engine_names())
@pytest.mark.parametrize("draft", [EAGLE, NGRAM, Draft(method="mtp", tokens=1, acceptance=0.0)])
@pytest.mark.parametrize(("version", "split"), [("v1beta1", False), ("v1alpha1", True)])
def test_a_draft_comes_back_with_its_acceptance(backend, draft, version, split):
    found = engines(rendered(backend, draft, version=version, split=split))
    assert len(found) == 1 + split
    assert all(engine.draft == draft and not engine.speculative for engine in found)
    assert parse_draft(draft.text) == draft


@pytest.mark.parametrize("backend", engine_names())
def test_flags_that_say_another_draft_count_more_and_a_note_says_so(backend):
    documents = rendered(backend, NGRAM)
    documents[-1]["metadata"]["annotations"][DRAFT_ANNOTATION] = "ngram:5:0.9"
    parsed = parse_dgd(documents, source="dgd.yaml")
    engine = parsed.deployment.pools[0].engine
    assert (engine.draft, engine.speculative) == (None, True)
    assert any("says another draft than the flags do" in note for note in parsed.notes)


def test_without_the_flags_the_annotation_drafts_nothing():
    documents = rendered("vllm", None)
    assert DRAFT_ANNOTATION not in documents[-1]["metadata"]["annotations"]
    documents[-1]["metadata"]["annotations"][DRAFT_ANNOTATION] = NGRAM.text
    assert engines(documents)[0].draft is None
    notes = parse_dgd(documents, source="dgd.yaml").notes
    assert any("says another draft than the flags do" in note for note in notes)


def test_the_planner_is_told_how_far_decoding_drafts():
    pool = Pool(plan=ParallelPlan(tp=2), engine=default_engine("vllm", draft=EAGLE))
    deploy = DeployOptions(planner={})
    documents = render(
        Disaggregated(prefill=pool, decode=pool), Request(model="org/model", deploy=deploy),
        model="org/model", gpus_per_node=8, total_gpus=8,
    )  # fmt: skip
    text = next(str(doc["data"]) for doc in documents if "speculative_nextn" in str(doc.get("data")))
    assert '"speculative_nextn": 2' in text


def test_an_annotation_that_says_no_draft_is_one_line():
    documents = rendered("vllm", NGRAM)
    documents[-1]["metadata"]["annotations"][DRAFT_ANNOTATION] = "ngram:many:0.9"
    with pytest.raises(
        InputError, match=r"metadata\.annotations\.simkit\.io/speculative: .*correct or remove"
    ):
        parse_dgd(documents, source="dgd.yaml")
