"""What readers ask next of a recommendation stands in its report."""

from dataclasses import replace

import pytest

from simkit.reports.document import recommendation_document
from simkit.reports.views.recommendation import CloserLook, recommendation_page
from simkit.reports.views.recommendation_answers import breaking_section, extrapolated_section, not_asked


def latency(mean):
    return {"mean": mean, "lo": mean and 0.8 * mean, "hi": mean and 1.3 * mean}


def curve(*states):
    """Points of a curve: factor, mean TTFT [ms] and whether the SLA holds."""
    points = [
        {"factor": factor, "load": 10.0 * factor, "ttft_ms": latency(ttft), "itl_ms": latency(20.0),
         "sla_probability": 0.8 if meets else 0.0, "meets_sla": meets, "in_domain": True,
         "output_tokens_per_s_per_gpu": 500.0}
        for factor, ttft, meets in states
    ]  # fmt: skip
    return {"unit": "requests/s", "asked": 10.0, "points": points}


def test_at_which_load_it_breaks(rec):
    lines = breaking_section(recommendation_document(rec), [curve((1, 400.0, True), (2, None, False))]).lines
    assert lines[0].startswith(
        "More load: expected to hold at 1 times the load (10.0 requests/s), missed at 2"
    )
    assert lines[1] == "Twice the load: requests queue without end, P(SLA) 0%."


def test_by_how_much_a_latency_may_be_off(rec):
    doc = recommendation_document(rec)
    mean, bound = doc["selected"]["ttft_ms"]["mean"], doc["request"]["sla"]["ttft_ms"]
    line = next(
        text
        for text in breaking_section(doc, [curve((1, mean, True))]).lines
        if "Slower" in text and "TTFT" in text
    )
    assert f"{100 * (bound / mean - 1):.0f}% above the prediction" in line


def test_nothing_breaks_where_nothing_was_asked(rec):
    doc = recommendation_document(rec)
    assert (
        breaking_section(
            {**doc, "request": {**doc["request"], "sla_assumed": True}}, [curve((1, 1.0, True))]
        ).lines
        == ()
    )


def test_what_is_extrapolated_names_candidates_and_operators(rec):
    doc = recommendation_document(rec)
    for item in doc["candidates"]:
        item["in_domain"] = True
    doc["candidates"][1]["in_domain"] = False
    operators = [
        {"operator": "norms", "family": "elementwise", "source": "share of peak"},
        {"operator": "qkv", "family": "gemm", "source": "measured, held to siblings"},
        {"operator": "engine_host", "family": "host", "source": "host"},
    ]
    lines = extrapolated_section(doc, operators).lines
    assert "#2." in lines[1]
    assert lines[2:] == ("Operators of the pick without measured times (share of peak): norms.",)


@pytest.mark.parametrize(("backend", "named"), [("vllm", True), ("auto", False)])
def test_engines_that_were_not_asked_for_are_named(rec, backend, named):
    asked = replace(rec, request=replace(rec.request, backend=backend))
    doc = recommendation_document(asked)
    doc["candidates"] = [item for item in doc["candidates"] if item["backend"] == "vllm"]
    assert any("SGLang" in row[1] for row in not_asked(doc)) is named


def test_a_price_replaces_gpu_hours(rec):
    doc = recommendation_document(rec)
    cost = {tile.label: tile for tile in recommendation_page(doc, CloserLook()).tiles}["GPU hours"]
    hours = 1e6 / doc["selected"]["output_tokens_per_s_per_gpu"] / 3600
    assert float(cost.value) == pytest.approx(hours, rel=0.01)
    doc["selected"]["cost_per_million_output_tokens"] = 2.5
    cost = {tile.label: tile for tile in recommendation_page(doc, CloserLook()).tiles}["Cost"]
    assert cost.value == "2.50"
