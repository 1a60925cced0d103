"""Pages are valid HTML: a parser finds nothing to repair."""

from pathlib import Path

import html5lib
import pytest

from simkit.reports.document import recommendation_document
from simkit.reports.pages import page_html, shared_files
from simkit.reports.views.recommendation import recommendation_page

REPORTS = Path(__file__).resolve().parents[2] / "reports"
SHIPPED = ("index.html", "experiments/kv_transfer/report.html", "accuracy/html/gb200_sglang.html")
NO_FAULT = "unexpected-char-in-comment"  # `--` in a comment: allowed by now, the parser is of 2020


def faults(text):
    parser = html5lib.HTMLParser()
    parser.parse(text)
    return [(place, code) for place, code, _ in parser.errors if code != NO_FAULT]


def test_the_parser_sees_faults():
    assert faults("<!DOCTYPE html><title>t</title><p><table><p></table>")


@pytest.mark.parametrize("shared", ["", "assets"])
@pytest.mark.parametrize("interactive", [False, True])
def test_a_recommendation_is_valid(make, hostile, interactive, shared):
    for rec in (make(), hostile):
        page = recommendation_page(recommendation_document(rec))
        assert faults(page_html(page, interactive=interactive, shared=shared)) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pages_are_valid(name):
    assert faults((REPORTS / name).read_text(encoding="utf-8")) == []


def test_the_gallery_has_the_style_and_the_script_of_today():
    assert {
        name: (REPORTS / "assets" / name).read_text(encoding="utf-8") for name in shared_files()
    } == shared_files()
