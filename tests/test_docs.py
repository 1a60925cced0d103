"""Tests that the documentation names exist."""

import ast
import re
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
