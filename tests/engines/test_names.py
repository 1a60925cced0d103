"""An engine's name stands in its own module and in data: everybody else asks the spec."""

import ast
import re
from pathlib import Path

import pytest

from simkit.engines.registry import engine_specs

ROOT = Path(__file__).resolve().parents[2]

# Files of others' formats, and data: each may hold these words and no more.
FOREIGN = {
    "perfmodels/op_times/learned.py": {"trtllm"},  # a kernel's name in operator tables
    "simkit/catalog/operator_tables/attention.py": {"sglang"},  # a column of aiconfigurator's tables
    "simkit/catalog/operator_tables/comm.py": {"trtllm_", "trtllm_alltoall_perf"},
    "simkit/catalog/operator_tables/moe.py": {"trtllm"},
    "simkit/cli/request_flags.py": {"vllm_executor", "--vllm-executor"},  # an option's name, an interface
    "simkit/formats/aiperf_command.py": {"sglang"},  # a value of AIPerf's --random-corpus-style
    "simkit/formats/aiperf_job.py": {"sglang"},  # the same in its jobs
    "simkit/formats/benchmark_results/inferencex.py": {"trtllm", "sglang", "sglang-disagg"},  # its frameworks
    # The format of one tool's files, which another engine's benchmark copied.
    "simkit/formats/benchmark_results/vllm_bench.py": {"vllm-bench", "sglang-bench", "sglang", "vllm"},
}
DATA = {"simkit/engines/releases.py"}  # what releases of Dynamo differ in
OWN = {f"simkit/engines/{spec.name}.py" for spec in engine_specs()}


def literals(path):
    """Texts in a file other than docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = (
        node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    )
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def sources():
    return [path for folder in ("simkit", "perfmodels") for path in sorted((ROOT / folder).rglob("*.py"))]


def named(path):
    names = "|".join(re.escape(spec.name) for spec in engine_specs())
    word = re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", re.IGNORECASE)
    labels = {spec.label for spec in engine_specs()}
    found = {}
    for line, text in literals(path):
        hits = [hit for hit in word.findall(text) if hit not in labels]
        if hits:
            found.setdefault(text, line)
    return found


def test_no_engines_name_is_a_literal_elsewhere():
    found = {}
    for path in sources():
        label = str(path.relative_to(ROOT))
        if label not in OWN | DATA:
            extra = {text: line for text, line in named(path).items() if text not in FOREIGN.get(label, ())}
            found |= {f"{label}:{line}": text for text, line in extra.items()}
    assert found == {}


@pytest.mark.parametrize("label", FOREIGN)
def test_the_list_of_exceptions_is_no_longer_than_it_must_be(label):
    assert set(named(ROOT / label)) == FOREIGN[label]


def test_nobody_tests_which_engine_it_is():
    """`spec.name == ...` and `engine.backend == NAME` are the same comparison in other words."""
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                if re.search(r"(vllm|sglang|trtllm)\.(SPEC|NAME)|\blabel\b.*'(vLLM|SGLang|TensorRT)", text):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
