"""Reports in headless Chromium: no error, no outside request, and everything that can be done with them.

Needs a `chromium` on the path and the package playwright, which drives it; nothing is downloaded.
axe-core's rules of accessibility come with the package axe-playwright-python.
"""

import shutil
from pathlib import Path

import pytest

from simkit.reports.charts.model import Axis, Chart, Series
from simkit.reports.document import candidate_document, recommendation_document, request_document
from simkit.reports.pages import Code, Page, Section, page_html, shared_files
from simkit.reports.views.recommendation import CloserLook, recommendation_page
from simkit.reports.views.sides import sides_page
from simkit.verbs.compare import compare
from simkit.verbs.compare_sides import Side

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path"),
]
MANY = 10_000
WIDTHS = (400, 1280)
ROUNDS, ROUND_MS = 300, 100


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory, make):
    path = tmp_path_factory.mktemp("report") / "report.html"
    look = CloserLook(files=(Code(name="dgd.yaml", text="kind: DynamoGraphDeployment\n"),))
    page = recommendation_page(recommendation_document(make()), look)
    path.write_text(page_html(page, interactive=True))
    return path


@pytest.fixture
def opened(browser):
    """Opens a file and fails on errors and outside requests when the test is done."""
    complaints = []
    pages = []

    def run(path, view="", **options):
        page = browser.new_page(**options)
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith("file:") else complaints.append(r.url))
        page.goto(path.as_uri() + view)
        pages.append(page)
        return page

    yield run
    for page in pages:
        page.close()
    assert complaints == []


def until(page, expression):
    """Asks from outside until it holds: our policy refuses `wait_for_function`, which asks in the page."""
    for _ in range(ROUNDS):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(ROUND_MS)
    raise AssertionError(f"not within {ROUNDS * ROUND_MS / 1000:.0f} s: {expression}")


def drawn(page):
    until(page, "window.reportViews !== undefined && window.reportViews.has('pareto')")
    return page.locator("figure[data-figure=pareto] canvas")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen(opened, report, width, scheme):
    page = opened(report, viewport={"width": width, "height": 900}, color_scheme=scheme)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_whole_without_a_script(opened, report):
    page = opened(report, java_script_enabled=False)
    assert page.locator("figure svg").count() == 3
    assert page.locator("figure svg").first.is_visible()


def test_keys_move_and_pin_and_the_link_keeps_what_was_pinned(opened, report):
    page = opened(report)
    canvas = drawn(page)
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    card = page.locator("#pinned .card h3").inner_text()
    assert "tp4" in card or "tp2" in card
    view = page.evaluate("location.hash")
    assert "pin=" in view
    again = opened(report, view)
    drawn(again)
    assert again.locator("#pinned .card h3").inner_text() == card
    again.locator("#pinned button").click()
    assert again.locator("#pinned").is_hidden()


def test_engines_and_scales_are_chosen_and_kept_in_the_link(opened, report):
    page = opened(report)
    drawn(page)
    page.locator("figure[data-figure=pareto] .chip").first.click()
    page.locator("figure[data-figure=pareto] input[type=checkbox]").last.check()
    view = page.evaluate("location.hash")
    again = opened(report, view)
    drawn(again)
    chart = "window.reportViews.get('pareto').chart"
    assert again.evaluate(f"{chart}.options.scales.y.type") == "logarithmic"
    assert again.evaluate(f"{chart}.data.datasets.some((d) => d.hidden)")


def test_a_point_says_what_it_is_and_is_pinned_by_a_click(opened, report):
    page = opened(report)
    canvas = drawn(page)
    x, y = page.evaluate(
        "(() => { const p = window.reportViews.get('pareto').chart.getDatasetMeta(0).data[0];"
        " return [p.x, p.y]; })()"
    )
    canvas.click(position={"x": x, "y": y})
    assert page.evaluate("window.reportViews.get('pareto').chart.tooltip.body.length") >= 1
    assert page.locator("#pinned .card").count() == 1


def test_a_dgd_is_copied(opened, report):
    page = opened(report)
    page.locator("details summary", has_text="Deploy it").click()
    page.locator("button.copy").click()
    until(page, "document.querySelector('button.copy').textContent !== 'copy'")
    assert "DynamoGraphDeployment" in page.evaluate("getSelection().toString()")


def test_ten_thousand_points_open(opened, tmp_path):
    """The time that the page's own work takes is looked at in the docs; here it must work at all."""
    numbers = tuple(float(i % 997 + 1) for i in range(MANY))
    names = tuple(f"tp{i % 4}, engine {i % 3}" for i in range(MANY))
    series = (Series(label="a", x=numbers, y=numbers[::-1], names=names),)
    chart = Chart(name="pareto", title="t", alt="a", x=Axis(label="x"), y=Axis(label="y"), series=series)
    path = tmp_path / "many.html"
    path.write_text(page_html(Page(title="t", verdict="v", figures=(chart,)), interactive=True))
    page = opened(path)
    drawn(page)
    assert page.evaluate("window.reportViews.get('pareto').chart.data.datasets[0].data.length") == MANY
    assert page.evaluate("window.reportViews.get('pareto').words(0, 5).join()").startswith("tp1, engine 2")


def test_names_from_outside_run_nothing(opened, tmp_path, hostile):
    path = tmp_path / "hostile.html"
    text = "</script><script>window.hurt = 1</script>"
    page = recommendation_page(recommendation_document(hostile))
    extra = Section(title=text, lines=(text,), files=(Code(name=text, text=text),))
    path.write_text(
        page_html(Page(title=text, verdict=text, figures=page.figures, sections=(extra,)), interactive=True)
    )
    shown = opened(path)
    drawn(shown)
    assert shown.evaluate("window.hurt") is None


@pytest.fixture
def comparison(tmp_path, make):
    """Two sides of which one is three times as slow."""
    rec = make()
    first = candidate_document(rec.selected)
    slow = {name: 3.0 * value for name, value in first["ttft_ms"].items()}
    sides = [
        Side(name=name, kind="deployment", candidate={**first, "ttft_ms": latency})
        for name, latency in (("a", first["ttft_ms"]), ("b", slow))
    ]
    asked = request_document(rec.request)
    shown = [{"name": s.name, "layout": s.name, "candidate": s.candidate, "operators": (), "question": asked}
             for s in sides]  # fmt: skip
    path = tmp_path / "sides.html"
    path.write_text(page_html(sides_page(shown, [compare(*sides)], "simkit report a b"), interactive=True))
    return path


def test_a_page_beside_its_style_and_script_is_the_same(opened, tmp_path, make):
    page = recommendation_page(recommendation_document(make()))
    (tmp_path / "assets").mkdir()
    for name, text in shared_files().items():
        (tmp_path / "assets" / name).write_text(text)
    whole, parted = tmp_path / "whole.html", tmp_path / "parted.html"
    whole.write_text(page_html(page, interactive=True))
    parted.write_text(page_html(page, interactive=True, shared="assets"))
    assert parted.stat().st_size < whole.stat().st_size - 200_000
    sizes = []
    for path in (whole, parted):
        shown = opened(path)
        drawn(shown)
        sizes.append(shown.evaluate("document.documentElement.scrollHeight"))
    assert sizes[0] == sizes[1]


def faults(page):
    """What axe-core finds that is more than minor: rule, impact, first place."""
    from axe_playwright_python.sync_playwright import Axe

    options = {
        "resultTypes": ["violations"],
        "preload": False,
    }  # else it fetches the style, which pages refuse
    found = Axe().run(page, options=options).response["violations"]
    return [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] != "minor"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(opened, report, comparison, scheme):
    """A recommendation, a comparison, the gallery, a sweep and a page of accuracy."""
    shipped = [
        "index.html",
        "experiments/kv_transfer/report.html",
        "accuracy/html/gb200_sglang.html",
    ]
    for path in (report, comparison, *(REPORTS / name for name in shipped)):
        page = opened(path, color_scheme=scheme)
        for details in page.locator("details").all():
            details.evaluate("(item) => { item.open = true; }")
        assert faults(page) == [], path
        page.close()


REPORTS = Path(__file__).resolve().parents[2] / "reports"
SHIPPED = sorted(REPORTS.rglob("*.html"))


def test_shipped_pages_open(opened):
    assert len(SHIPPED) > 20
    for path in SHIPPED:
        page = opened(path, viewport={"width": 400, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
        links = page.evaluate("[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))")
        away = [link for link in links if not link.startswith("#") and not (path.parent / link).exists()]
        assert away == [], path
        page.close()
