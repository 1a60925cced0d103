"""Recipes for extensions name files that exist, as many as they say; every kind of extension has one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = re.compile(r"^### (?P<what>.+)\n\n\*\*(?P<count>\d+) files?:\*\* (?P<files>.+)$", re.MULTILINE)
RECIPES = {match["what"]: match for match in RECIPE.finditer(TEXT)}
NEW = re.compile(r"<\w+>")  # a part of a name that the reader chooses
MOST = {
    "A GPU": 1,
    "A model": 1,
    "An operator": 2,
    "An engine": 3,
    "A deployment target": 2,
    "A router of the simulator": 2,
}  # these may take no more


def files_of(what):
    return re.findall(r"`([^`]+)`", RECIPES[what]["files"])


def test_every_heading_has_a_recipe():
    section = TEXT.split("## Recipes")[1].split("\n## ")[0]
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == list(RECIPES)
    assert len(RECIPES) >= 10


@pytest.mark.parametrize("what", RECIPES)
def test_as_many_files_as_it_says(what):
    files = files_of(what)
    assert len(files) == len(set(files)) == int(RECIPES[what]["count"])
    assert len(files) <= MOST.get(what, len(files))


@pytest.mark.parametrize("what", RECIPES)
def test_files_to_change_exist_and_new_ones_have_a_model_to_follow(what):
    for name in files_of(what):
        assert any(ROOT.glob(NEW.sub("*", name))), name


def test_paths_in_the_text_exist():
    named = re.findall(r"`((?:simkit|perfmodels|tests|data|docs|experiments)/[\w/.<>-]+)`", TEXT)
    assert [name for name in named if not any(ROOT.glob(NEW.sub("*", name).rstrip("/")))] == []
