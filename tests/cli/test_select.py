"""`recommend --select N`: row N of the table is what is written, with the figures that the table has."""

import json

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "4", "--isl", "2000", "--osl", "300")
WORDS = ("recommend", *QWEN, "--ttft", "1000", "--itl", "20", "--quiet", "--format", "json")


def answer(simkit, *words):
    found = simkit(*WORDS, *words)
    assert found.status in (0, 1), found.err
    return json.loads(found.out), found.status


def test_the_row_is_exported_as_the_table_has_it(simkit, tmp_path):
    usual, _ = answer(simkit, "--top", "3", "-o", tmp_path / "top")
    chosen, status = answer(simkit, "--select", "3", "-o", tmp_path / "third")
    row = usual["candidates"][2]
    assert chosen["selected"] == row
    assert (chosen["selected_row"], chosen["meets_sla"]) == (3, row["meets_sla"])
    assert status == (0 if row["meets_sla"] else 1)
    for part in ("candidates", "trade_offs", "pareto", "expected_best"):
        assert chosen[part] == usual[part]
    assert chosen["explanation"][0].startswith("Row 3, ")
    assert chosen["explanation"][1:] == usual["explanation"]
    third, top = tmp_path / "third" / "dgd.yaml", tmp_path / "top" / "dgd-3.yaml"
    assert third.read_text().replace("dgd.yaml", "dgd-3.yaml") == top.read_text()
    written = json.loads((tmp_path / "third" / "recommendation.json").read_text())
    assert written == chosen
    assert "--select 3" in (tmp_path / "third" / "report.md").read_text().splitlines()[0]


def test_the_load_of_the_benchmark_is_that_of_the_row(simkit, tmp_path):
    row = answer(simkit, "--limit", "4")[0]["candidates"][3]
    answer(simkit, "--limit", "4", "--select", "4", "-o", tmp_path / "out")
    script = (tmp_path / "out" / "benchmark.sh").read_text()
    assert f"{row['concurrency']:.0f}" in script


def test_the_first_row_is_the_usual_answer(simkit):
    assert answer(simkit, "--select", "1") == answer(simkit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--select", "4", "--limit", "3"), "the table has 3 rows"),
        (("--select", "2", "--top", "2"), "drop one of them"),
        (("--select", "2", "--simulate-finalists", "2"), "a simulation orders"),
        (("--select", "2", "--gpu", "h100_sxm,h200_sxm"), "name one of each"),
    ],
)
def test_rows_that_cannot_be_are_refused_in_one_line(simkit, words, said):
    found = simkit(*WORDS[:-2], *words)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1
