"""The documentation site: it builds without a warning, its links lead somewhere, and it asks nobody else."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Loads(HTMLParser):
    """What a page loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if tag in FETCHED and known.get(FETCHED[tag]) and known.get("rel") != "canonical":
            self.found.append(known[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """mkdocs is needed, never optional: without it this fails and says so. Broken links fail, too."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_the_navigation_is_there(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for name in ("tutorial", "howto/gate", "theory", "glossary", "commands", "api/index", "reports"):
        assert (site / "docs" / f"{name}.html").is_file(), name
        assert f'href="docs/{name}.html"' in home, name
    assert (site / "reports" / "index.html").is_file()


def test_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*.html"):
        away = [name for name in Loads(path.read_text(encoding="utf-8")).found if "//" in name.split("?")[0]]
        assert away == [], path


def test_search_works_without_a_server(site):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    for word in ("tensor parallel", "--request-rate", "EngineSpec", "Sakasegawa"):
        assert word in index, word


def test_a_search_finds_in_a_page_opened_from_a_folder(site):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        outside = []
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else outside.append(r.url))
        page.goto((site / "index.html").as_uri())
        page.fill("input[name=query]", "goodput")
        page.wait_for_selector("a.md-search-result__link", timeout=60_000)
        assert outside == []
        browser.close()


def test_equations_need_no_script(site):
    theory = (site / "docs" / "theory.html").read_text(encoding="utf-8")
    assert theory.count("<math") >= 10
    assert "\\frac" not in theory


def test_the_python_pages_say_what_the_docstrings_say(site):
    page = re.sub(r"<[^>]+>", "", (site / "docs" / "api" / "index.html").read_text(encoding="utf-8"))
    for said in (
        "The best deployments for a request, best first",
        "Raises InputError that lists every fault",
    ):
        assert said in page
