"""simkit report: one page for whatever a verb left, with the verbs' own numbers."""

import json
import re
import shutil

import pytest

from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.formats.benchmark_results.stored import run_document
from simkit.reports.labels import number

MODEL = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "2", "--backend", "vllm")
SWEEP = """\
question: Which plan serves Qwen3 8B best on an H200?
do: predict
axes: {model: Qwen/Qwen3-8B, gpu: h200_sxm, backend: vllm, plan: [tp1, tp2], isl_tokens: 1000, osl_tokens: 99,
  concurrency: [1, 8]}
"""
FILES = {"report.html", "report.md", "figures"}


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    return tmp_path_factory.mktemp("answer") / "out"


@pytest.fixture
def recommended(simkit, answer):
    """A folder of recommend, made once."""
    if not answer.exists():
        found = simkit("recommend", *MODEL, "--mode", "agg", "--concurrency", "16", "--ttft", "800", "--top",
                       "2", "--quiet", "-o", answer)  # fmt: skip
        assert found.status == 0, found.err
    return answer


def reported(simkit, *words):
    found = simkit("report", *words, "--format", "json", "--quiet")
    assert found.status == 0, found.err
    return json.loads(found.out)


def test_a_recommendation(simkit, recommended, tmp_path):
    document = reported(simkit, recommended, "-o", tmp_path / "page")
    assert {path.name for path in (tmp_path / "page").iterdir()} == FILES
    assert document["figures"][:3] == ["pareto", "load_ttft", "load_itl"]
    html = (tmp_path / "page" / "report.html").read_text()
    best = json.loads((recommended / "recommendation.json").read_text())["selected"]
    assert f"{number(best['ttft_ms']['mean'])} ms" in html
    assert "DynamoGraphDeployment" in html and "dgd-2.yaml" in html
    markdown = (tmp_path / "page" / "report.md").read_text()
    for name in re.findall(r"\]\((figures/\w+\.png)\)", markdown):
        assert (tmp_path / "page" / name).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "page" / name.replace(".png", ".svg")).read_text().startswith("<svg")


@pytest.mark.parametrize("part", ["request", "request.hardware", "request.workload", "request.tuning", ""])
def test_a_page_of_what_lacks_a_field_is_made_or_refused_in_a_line(simkit, recommended, tmp_path, part):
    whole = json.loads((recommended / "recommendation.json").read_text())
    file = tmp_path / "recommendation.json"
    place = whole
    for name in filter(None, part.split(".")):
        place = place[name]
    refused = 0
    for name in list(place):
        if (value := place.pop(name)) not in ({}, [], None):
            file.write_text(json.dumps(whole))
            found = simkit("report", file, "-o", tmp_path / "page", "--quiet")
            assert found.status == 0 or (found.status == 2 and found.err.count("\n") == 1), (part, name)
            refused += found.status == 2
        place[name] = value
    assert refused or part == "request.tuning"


def test_its_own_report_says_the_same_at_the_load_asked_for(recommended):
    """The pick's curve passes through the pick: one route for both numbers."""
    best = json.loads((recommended / "recommendation.json").read_text())["selected"]
    line = next(
        line for line in (recommended / "report.md").read_text().splitlines() if line.startswith("| 1 | 16")
    )
    for metric in ("ttft_ms", "itl_ms"):
        assert f"| {number(best[metric]['mean'])} " in line
    assert len((recommended / "report.html").read_bytes()) < 150_000
    assert "<script" not in (recommended / "report.html").read_text()


def test_deployments_side_by_side(simkit, recommended, tmp_path):
    sides = (recommended / "dgd.yaml", recommended / "dgd-2.yaml")
    load = ("--gpu", "h200_sxm", "--concurrency", "16")
    document = reported(simkit, *sides, *load, "-o", tmp_path / "page", "--static")
    compared = json.loads(simkit("compare", *sides, *load, "--format", "json", "--quiet").out)
    html = (tmp_path / "page" / "report.html").read_text()
    for row in compared["figures"]:
        if row["metric"] == "output_tokens_per_s_per_gpu":
            assert number(row["a"]) in html and number(row["b"]) in html
    assert {"sides_ttft", "sides_itl", "sides_rate", "operators_decode"} <= set(document["figures"])


def test_a_measured_run_stands_beside_what_was_predicted(simkit, recommended, tmp_path):
    best = json.loads((recommended / "recommendation.json").read_text())["selected"]
    folder = tmp_path / "run"
    folder.mkdir()
    prediction = {"kind": "simkit.prediction", "about": best, "workload": {}, "bands": {}}
    (folder / "prediction.json").write_text(json.dumps(prediction))
    (folder / "comparison.json").write_text("{}")  # a folder of benchmark has one
    measured_s = 10 * best["ttft_ms"]["hi"] / 1e3
    run = Run(source=Source(tool="aiperf", path="run"), isl_tokens=4000, osl_tokens=1000, concurrency=16,
              num_requests=400, ttft=MeasuredSpread(mean_s=measured_s, std_s=0.1 * measured_s))  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run_document(run)))
    document = reported(simkit, recommended, folder, "-o", tmp_path / "page")
    assert document["verdict"].startswith("Certain, as 90 % intervals do not overlap: TTFT of B")
    html = (tmp_path / "page" / "report.html").read_text()
    assert "(measured)" in html and number(1e3 * measured_s) in html
    assert "noise of a mean over its requests" in html


def test_a_table_of_runs_has_the_errors_of_evaluate(simkit, runs_csv, tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("".join(runs_csv.read_text().splitlines(keepends=True)[:13]))
    document = reported(simkit, table, "-o", tmp_path / "page")
    errors = json.loads(simkit("evaluate", table, "--format", "json").out)["by"][0]
    assert f"within {100 * errors['ttft']['mdape']:.1f}% of TTFT" in document["answer"]
    assert document["figures"] == ["measured_ttft", "measured_itl", "ratio"]


def test_a_sweep(simkit, tmp_path):
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP)
    assert simkit("experiment", "run", sweep, "-o", tmp_path / "run", "--quiet").status == 0
    document = reported(simkit, tmp_path / "run", "-o", tmp_path / "page")
    assert "points" in document["figures"]
    assert document["tiles"][0] == {"label": "Points", "value": "4", "detail": "0 without a result"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such file or folder"),
        (["empty"], "nothing that a report can be made of"),
        (["empty/dgd.yaml"], "alone it has nothing to stand beside"),
        (["empty/run.csv", "empty/dgd.yaml"], "stands alone"),
        (["empty/dgd.yaml"] * 9, "at most 8 stand side by side"),
    ],
)
def test_what_is_no_report_is_said_in_a_line(simkit, tmp_path, words, said):
    folder = tmp_path / "empty"
    folder.mkdir()
    paths = [tmp_path / word for word in words]
    found = (
        simkit("report", *paths, "-o", tmp_path / "page") if said.startswith(("no such", "nothing")) else None
    )
    if found is None:
        (folder / "dgd.yaml").write_text("kind: x\n")
        (folder / "run.csv").write_text("a\n1\n")
        found = simkit("report", *paths, "-o", tmp_path / "page")
    assert found.status == 2
    assert said in found.err and found.err.count("\n") == 1
    shutil.rmtree(folder)
