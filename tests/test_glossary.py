"""Every field, column and abbreviation that users meet has an entry in the glossary."""

import csv
import io
import re
from pathlib import Path

import pytest
import typer

from simkit.cli.main import app
from simkit.reports.candidates_csv import candidates_csv
from simkit.reports.document import recommendation_document
from simkit.verbs.recommend import recommend

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [line[2:].partition(" | ") for line in GLOSSARY.split("## Terms")[1].splitlines() if line[:2] == "| "]
TERMS = [(names, meaning) for names, _, meaning in ROWS[1:]]  # below the table's head
KNOWN = {name.strip().strip("`") for names, _ in TERMS for name in names.split(", ")}

ROLES = ("prefill_", "decode_", "simulated_")
STATISTICS = ("_mean", "_p50", "_p75", "_p90", "_p95", "_p99", "_lo", "_hi")
# Words in capitals that stand for a value or are a file's name, and a model's name.
PLACEHOLDERS = {
    "METHOD", "TOKENS", "ACCEPTANCE", "MODEL", "KEY", "VALUE", "METRIC", "FRACTION", "FILE", "SPREAD",
    "README", "R1", "N",
}  # fmt: skip
REQUEST = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "glossary"},
    "spec": {
        "model": "Qwen/Qwen3-8B",
        "backend": "vllm",
        "hardware": {"gpuSku": "h100_sxm", "totalGpus": 4},
        "sla": {"ttft": 1000, "itl": 50},
    },
}


def order(names):
    """As a reader looks a word up: without marks, case and hyphens."""
    return re.sub(r"[`\[\]()_]", "", names).lower().replace("-", " ")


def entry(name):
    """The name under which the glossary explains a field."""
    for role in ROLES:
        name = name.removeprefix(role)
    for statistic in STATISTICS:
        name = name.removesuffix(statistic)
    return name


@pytest.fixture(scope="module")
def answer():
    return recommend(REQUEST)


def test_terms_are_in_alphabetical_order_and_explained_once():
    heads = [order(names) for names, _ in TERMS]
    assert heads == sorted(heads)
    names = [name for head, _ in TERMS for name in head.replace("`", "").split(", ")]
    assert sorted(names) == sorted(set(names))


def test_meanings_are_one_or_two_lines():
    assert [names for names, meaning in TERMS if not 5 < len(meaning.removesuffix(" |")) <= 220] == []


def test_every_column_of_candidates_csv_is_explained(answer):
    columns = next(csv.reader(io.StringIO(candidates_csv(recommendation_document(answer)))))
    assert [name for name in columns if entry(name) not in KNOWN] == []


def test_every_field_of_a_recommendation_is_explained(answer):
    document = recommendation_document(answer)
    names = {*document, *document["request"], *document["selected"], *document["request"]["workload"]}
    assert sorted(name for name in names if name not in KNOWN) == []


def help_texts():
    group = typer.main.get_command(app)
    for command in (group, *(group.get_command(None, name) for name in group.list_commands(None))):
        yield command.help or ""
        yield from (getattr(option, "help", None) or "" for option in command.params)


def test_every_abbreviation_in_help_is_explained():
    words = {word for text in help_texts() for word in re.findall(r"\b[A-Z][A-Z0-9]+(?:s\b|\b)", text)}
    singular = {word.removesuffix("s") for word in words}
    assert len(singular) > 10
    assert sorted(singular - PLACEHOLDERS - KNOWN) == []


def test_units_of_names_are_explained():
    """Endings of numbers in the documents that users read."""
    for ending in ("_s", "_ms", "_bytes", "_gib", "_gb", "_mib", "_tokens", "_frac", "_per_s"):
        assert f"`{ending}`" in GLOSSARY.split("## Terms")[0], ending
