"""What documents and scripts name exists: tests, links, paths of the source tree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
REFERENCES = sorted({
    found for path in DOCUMENTS for found in NAMED.findall(path.read_text(encoding="utf-8"))
})  # fmt: skip


@pytest.mark.parametrize("path", sorted({path for path, _ in REFERENCES}))
def test_named_tests_exist(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    missing = {name for place, name in REFERENCES if place == path} - functions
    assert not missing


def test_the_table_has_no_row_without_a_test():
    text = (ROOT / "docs" / "dynamo.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and not re.match(r"\|[-|]+$", line)]
    bare = [row for row in rows if not NAMED.search(row) and not row.rstrip().endswith("| test |")]
    assert rows
    assert bare == []


LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SOURCE_PATH = re.compile(r"(?<![\w.-])(?<!\w/)((?:simkit|perfmodels)/[\w/*.]*[\w*/])")
OUTSIDE = {"simkit/_data", "simkit/envs/vllm"}  # in the wheel; in the user's cache


def tracked(*patterns):
    command = ["git", "ls-files", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.splitlines()]


def label(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", tracked("*.md"), ids=label)
def test_links_lead_somewhere(path):
    links = LINK.findall(path.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith(("http", "mailto"))]
    assert [link for link in inside if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", tracked("*.md", "*.py", "*.toml", "*.j2", "*.sh", "Makefile"), ids=label)
def test_paths_that_texts_name_exist(path):
    """A glob must match something, too: a list of readers that matches none would measure nothing."""
    named = set(SOURCE_PATH.findall(path.read_text(encoding="utf-8"))) - OUTSIDE
    assert [name for name in sorted(named) if not any(ROOT.glob(name.rstrip("/")))] == []
