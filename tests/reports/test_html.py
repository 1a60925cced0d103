"""Pages are valid HTML: a parser that repairs nothing reads them without a complaint."""

from pathlib import Path

import html5lib
import pytest

from simkit.reports.document import recommendation_document
from simkit.reports.pages import page_html
from simkit.reports.views.recommendation import recommendation_page

REPORTS = Path(__file__).resolve().parents[2] / "reports"
SHIPPED = ("index.html", "experiments/kv_transfer/report.html", "accuracy/html/gb200_sglang.html")


def read_strictly(text):
    html5lib.HTMLParser(strict=True).parse(text)


def test_the_parser_refuses_what_is_faulty():
    with pytest.raises(html5lib.html5parser.ParseError):
        read_strictly("<!DOCTYPE html><title>t</title><p><table><p></table>")


@pytest.mark.parametrize("shared", ["", "assets"])
@pytest.mark.parametrize("interactive", [False, True])
def test_a_recommendation_is_valid(make, hostile, interactive, shared):
    for rec in (make(), hostile):
        page = recommendation_page(recommendation_document(rec))
        read_strictly(page_html(page, interactive=interactive, shared=shared))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pages_are_valid(name):
    read_strictly((REPORTS / name).read_text(encoding="utf-8"))
