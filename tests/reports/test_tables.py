"""Terminal tables at the widths people use."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from simkit.reports.document import candidate_document, recommendation_document
from simkit.reports.estimated import estimate_table
from simkit.reports.labels import interval, number, percent
from simkit.reports.pareto_text import pareto_text
from simkit.reports.tables import evaluation_table, faults_table, recommendation_table

WIDTHS = (80, 100, 120)
ERRORS = {"mdape": 0.123, "mape": 0.2, "bias": -0.051, "p90": 1.42, "rank": 0.934}


@pytest.fixture
def estimate_doc(rec):
    doc = candidate_document(rec.selected)
    doc["model"] = {
        "name": "Qwen/Qwen3-32B",
        "total_params": 32.8e9,
        "active_params": 32.8e9,
        "kv_bytes_per_token": 262144,
    }
    doc["by_operator"] = [
        {
            "phase": phase, "operator": f"operator_{index}", "family": "gemm", "time_ms": 12.5 / (index + 1),
            "share": 0.31 / (index + 1), "flop": 1.2e12, "hbm_bytes": 5.4e9, "wire_bytes": 0,
        }
        for phase in ("prefill", "decode")
        for index in range(12)
    ]  # fmt: skip
    return doc


@pytest.fixture
def evaluation_doc():
    return {
        "rows": 1673,
        "covered": 1600,
        "by": [
            {
                "partition": {"gpu": gpu, "backend": "trtllm"},
                "rows": 1234,
                "ttft": ERRORS,
                "itl": ERRORS | {"rank": None},
                "output_tokens_per_s_per_gpu": ERRORS,
                "coverage90": {"ttft": 0.91, "itl": 1.0},
            }
            for gpu in ("h100_sxm", "rtx_pro_6000_server")
        ],
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_candidates_keep_their_numbers(rec, printed, width):
    text = printed(recommendation_table, recommendation_document(rec), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "\u2026" not in text
    for item in recommendation_document(rec)["candidates"][:10]:
        for value in (
            number(item["ttft_ms"]["mean"]),
            interval(item["ttft_ms"]),
            interval(item["itl_ms"]),
            number(item["output_tokens_per_s_per_gpu"]),
            number(item["request_rate_per_s"]),
        ):
            assert value in text


def test_recommendation_says_what_matters(rec, printed):
    text = printed(recommendation_table, recommendation_document(rec), limit=9)
    chance = percent(recommendation_document(rec)["selected"]["sla_probability"])
    assert f"expected to meet the SLA, probability {chance}" in " ".join(text.split())
    assert "miss" in text
    assert "3 more" in text
    assert "131 \u00d7 ITL above the bound" in text
    assert "sla.e2eLatency is ignored" in text


def test_missed_sla_is_said_first(make, printed):
    text = printed(recommendation_table, recommendation_document(make(meets_sla=False)))
    assert "MISSES the SLA" in text.splitlines()[0]


def test_markup_in_names_is_text(hostile, printed):
    text = printed(recommendation_table, recommendation_document(hostile))
    assert "[red]" in text
    assert "\n# rm" not in text


def test_ascii_terminal(rec):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    recommendation_table(recommendation_document(rec), Console(file=stream, width=100))
    stream.flush()
    assert b"2 x tp4" in raw.getvalue()


def test_colour_only_on_a_terminal(rec, printed):
    assert "\x1b" not in printed(recommendation_table, recommendation_document(rec))


@pytest.mark.parametrize("width", WIDTHS)
def test_estimate(estimate_doc, printed, width):
    text = printed(estimate_table, estimate_doc, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "operator_0 (gemm)" in text
    assert "1,482,750 tokens" in text
    assert "decode: HBM bandwidth" in text
    assert "and 2 smaller operators" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_evaluation(evaluation_doc, printed, width):
    text = printed(evaluation_table, evaluation_doc, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "1,600 of 1,673 rows predicted" in text
    for value in ("12%", "142%", "-5%", "0.93", "91/100", "1,234"):
        assert value in text


def test_evaluation_without_rows(printed):
    assert "0 of 0 rows" in printed(evaluation_table, {"rows": 0, "covered": 0, "by": []})


def test_faults_are_whole(printed):
    long = "must be a positive number of milliseconds " * 5
    faults = [SimpleNamespace(path="spec.sla.ttft", problem=long, remedy="give a value above 0")]
    text = printed(faults_table, faults, width=80)
    assert " ".join(text.split()).count("positive number") == 5
    assert "1 fault found" in text
    assert "no faults" in printed(faults_table, [])


def test_pareto_text(rec):
    lines = pareto_text(recommendation_document(rec)).splitlines()
    assert len(lines) <= 18
    assert max(map(len, lines)) <= 80
    assert sum(line.count("*") for line in lines) == 2  # the point and the legend
    assert all(line.isascii() for line in lines)


def test_pareto_text_with_nothing_to_draw(make):
    assert pareto_text(recommendation_document(make(candidates=(), pareto=()))) == ""
