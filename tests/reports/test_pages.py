"""Markdown, HTML and CSV of a recommendation."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from simkit.reports.candidates_csv import candidates_csv
from simkit.reports.document import recommendation_document
from simkit.reports.pages import page_html, page_markdown
from simkit.reports.views.recommendation import recommendation_page


def recommendation_html(doc):
    return page_html(recommendation_page(doc))


def recommendation_markdown(doc):
    return page_markdown(recommendation_page(doc))


VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and comments; checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.comments, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        self.comments.append(data)


@pytest.fixture(scope="module")
def html(make):
    return recommendation_html(recommendation_document(make()))


def test_html_is_self_contained(html):
    page = Page(html)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "data", "action"):
            assert value.startswith("#")
        assert not name.startswith("on")
    assert "@import" not in html
    assert not re.search(r"url\(\s*['\"]?(?!#)", html)


def test_html_answers(html):
    for text in (
        "vLLM aggregated, 2 \u00d7 tp4 on 8 h200_sxm GPUs",
        "Expected to meet the SLA: every predicted mean is within its bound. Probability: ",
        "310 ms",
        "weights and KV cache do not fit",
        "TTFT \u2264 2,000 ms",
        "Assumptions and limits",
        "operator models: 2026.1",
        "prefers-color-scheme",
    ):
        assert text in html
    assert "simkit recommend --model Qwen/Qwen3-32B" in html.splitlines()[0]
    assert html.count("<svg") == 3


@pytest.mark.parametrize(
    ("place", "meets", "status"), [(3, True, "met"), (4, True, "unsure"), (4, False, "missed")]
)
def test_a_pick_that_is_a_coin_toss_has_no_green_badge(make, place, meets, status):
    """Probabilities of 75 and 67 %."""
    found = make().candidates[place:]
    page = recommendation_html(recommendation_document(make(candidates=found, meets_sla=meets)))
    assert f'class="verdict {status}"' in page


def test_html_escapes_what_it_is_given(hostile):
    html = recommendation_html(recommendation_document(hostile))
    page = Page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert len(page.comments) == 1


def test_html_is_deterministic(html, make):
    assert recommendation_html(recommendation_document(make())) == html


def test_missed_sla(make):
    missed = make(meets_sla=False)
    assert "The SLA is missed" in recommendation_html(recommendation_document(missed))
    assert "The SLA is missed" in recommendation_markdown(recommendation_document(missed))


def test_nothing_found(make):
    empty = make(candidates=(), pareto=(), meets_sla=False)
    assert "No configuration found" in recommendation_html(recommendation_document(empty))
    assert "No configuration found" in recommendation_markdown(recommendation_document(empty))


def test_markdown_tables_are_whole(rec):
    lines = recommendation_markdown(recommendation_document(rec)).splitlines()
    assert lines[0].startswith("<!-- Regenerate with: simkit recommend")
    start = next(i for i, line in enumerate(lines) if line.startswith("| # |"))
    columns = lines[start].count("|")
    assert all(line.count("|") == columns for line in lines[start : start + 14])
    assert lines[start + 2].startswith("| 1 | vLLM | agg |")


def test_markdown_escapes_what_it_is_given(hostile):
    text = recommendation_markdown(recommendation_document(hostile))
    assert "<script" not in text
    assert "\n# rm" not in text
    rows = [line for line in text.splitlines() if line.startswith("| 1 | evil")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 4


def test_csv_reads_back(rec):
    rows = list(csv.DictReader(io.StringIO(candidates_csv(recommendation_document(rec)))))
    assert len(rows) == 12
    first, second = rows[0], rows[1]
    assert (first["layout"], first["tp"], first["prefill_tp"]) == ("2 x tp4", "4", "")
    assert (second["layout"], second["tp"], second["prefill_workers"]) == ("3P tp2 + 1D tp4", "", "3")
    assert float(first["ttft_ms_mean"]) == 310
    assert float(first["memory_weights_gib"]) == 15.26
    assert first["isl_tokens"] == "4000"
    assert first["in_domain"] == "True"
    assert (first["max_num_seqs"], second["decode_max_num_seqs"]) == ("512", "512")


def test_csv_survives_a_hostile_name(hostile):
    rows = list(csv.DictReader(io.StringIO(candidates_csv(recommendation_document(hostile)))))
    assert rows[0]["model"] == hostile.request.model
