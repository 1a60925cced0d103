"""Which way the parts depend: imports read off the syntax, arrows never turn back."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room and the rooms it may import besides itself and perfmodels, from the bottom up. `simkit` is its
# __init__, which hands out the verbs.
ROOMS = {
    "core": "",
    "engines": "core",
    "closed_form": "core engines",
    "search": "core engines closed_form",
    "sim": "core engines closed_form",
    "explain": "core engines search sim",
    "compare": "core closed_form",
    "io": "core",
    "catalog": "core engines closed_form search io",
    "launch": "core engines io catalog",
    "formats": "core engines closed_form search sim compare io catalog launch",
    "cluster": "core io catalog formats",
    "reports": "core engines sim explain compare",
    "targets": "core engines io",
    "verbs": "core engines closed_form search sim explain io catalog formats reports",
    "calibrate": "core engines closed_form sim compare io catalog formats verbs",
    "measure": "core engines closed_form compare io catalog formats cluster reports targets verbs",
    "profiler": "core closed_form io catalog formats reports verbs",
    "experiments": "core engines closed_form search sim compare io catalog formats reports verbs measure",
    "publish": "core io catalog formats reports verbs experiments",
    "cli": "core engines sim io launch catalog formats cluster reports verbs calibrate measure experiments "
    "publish",
}
MAY_IMPORT = {
    "perfmodels": set(),
    **{f"simkit.{room}": {"perfmodels", *(f"simkit.{name}" for name in may.split())}
       for room, may in ROOMS.items()},
    "simkit": {"simkit.verbs"},
    "simkit.__main__": {"simkit.cli"},
}  # fmt: skip
MOST_FILES = 25  # in one folder

PURE = (
    "perfmodels",
    *(f"simkit/{name}" for name in ("core", "engines", "closed_form", "search", "sim", "explain", "compare")),
)
EFFECTS = frozenset({
    "os", "io", "pathlib", "shutil", "tempfile", "glob", "subprocess", "socket", "urllib", "http", "requests",
    "httpx", "aiohttp", "kubernetes", "time", "datetime", "random", "secrets", "logging", "yaml", "json",
    "csv", "pydantic", "matplotlib", "pandas", "rich", "typer",
})  # fmt: skip
# Fitting works on tables handed to it; predicting never loads pandas. Values of flags are written as JSON.
MAY_USE = {
    "perfmodels/op_fit/operator.py": {"pandas"},
    "simkit/core/json_texts.py": {"json"},
    "simkit/engines/flag_reader.py": {"json"},
    "simkit/engines/common.py": {"json"},
}
EFFECTFUL_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    """Full dotted names of what a file imports, wherever in the file; `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(name):
    """`simkit.core.slo.Slo` is of `simkit.core`, `simkit.recommend` of `simkit`, `numpy.array` of none."""
    top, _, rest = name.partition(".")
    if top == "perfmodels":
        return top
    if top != "simkit":
        return None
    inner = f"simkit.{rest.partition('.')[0]}"
    return inner if inner in MAY_IMPORT else "simkit"


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def label(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("perfmodels", "simkit"), ids=label)
def test_arrows_point_one_way(path):
    here = part_of(module_name(path))
    for name in imported(path):
        there = part_of(name)
        assert there in (None, here) or there in MAY_IMPORT[here], f"{label(path)} imports {name}"


def test_the_rules_have_no_cycle_and_name_every_room():
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert order[0] == "perfmodels"
    packages = {f"simkit.{path.parent.name}" for path in (ROOT / "simkit").glob("*/__init__.py")}
    assert packages <= set(MAY_IMPORT)


def folders():
    return sorted({path.parent for path in sources("perfmodels", "simkit")})


@pytest.mark.parametrize("folder", folders(), ids=label)
def test_no_folder_is_too_full_to_find_anything(folder):
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_no_class_name_means_two_things():
    places = {}
    for path in sources("perfmodels", "simkit"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(label(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", sources(*PURE), ids=label)
def test_pure_parts_have_no_effects(path):
    """No files, clocks, chance, network, plots or documents in the models and the decisions."""
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & (EFFECTS - MAY_USE.get(label(path), set()))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in EFFECTFUL_CALLS, f"{label(path)}:{node.lineno}"


HEAVY = ("pandas", "matplotlib", "sklearn", "scipy", "kubernetes", "aiperf", "aiohttp")


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import simkit", (*HEAVY, "numpy", "yaml", "typer", "pydantic")),
        ("import simkit.search.search", (*HEAVY, "yaml", "pydantic")),
        ("import simkit.cli.main", (*HEAVY, "numpy", "pydantic")),
        ("import simkit.cli.recommend", HEAVY),
    ],
)
def test_imports_stay_light(statement, heavy):
    script = f"import sys; {statement}; print([name for name in {heavy!r} if name in sys.modules])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recommending_loads_nothing_that_only_measuring_needs():
    words = [
        "recommend",
        "--model",
        "Qwen/Qwen3-8B",
        "--gpu",
        "h100_sxm",
        "--total-gpus",
        "1",
        "--backend",
        "vllm",
        "--format",
        "json",
    ]
    run = f"import sys; from simkit.cli.main import app; app({words!r}, standalone_mode=False)"
    script = f"{run}; print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
