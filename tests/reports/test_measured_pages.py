"""Pages of sections: Markdown that renders, HTML that fetches nothing, hostile names made harmless."""

import re

from simkit.reports.pages import Page, Section, ms, page_html, page_markdown

PAGE = Page(
    title="org/<script>alert(1)</script>|model",
    verdict="all | fine",
    status="met",
    sections=(
        Section(title="Numbers", heads=("name", "a", "b"), rows=(("x|y", "1", "2"), ("<b>", "3", "4"))),
        Section(title="Words", lines=("one", "two <i>")),
        Section(title="Empty"),
    ),
    command="simkit x --y '<z>'",
)


def test_markdown_tables_have_as_many_cells_as_heads():
    text = page_markdown(PAGE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert rows[1] == "|---|---:|---:|"
    assert "<script>" not in text
    assert "## Empty" not in text
    assert text.startswith("<!-- Regenerate with: ")


def test_html_is_whole_and_harmless():
    text = page_html(PAGE)
    assert "<script>" not in text
    assert text.count("<h2>") == 2
    assert not re.search(r"(src|href)=", text)
    assert 'class="verdict met"' in text


def test_milliseconds():
    assert [ms(value) for value in (0.0123456, 12.3, None)] == ["12.3", "12,300", "-"]
