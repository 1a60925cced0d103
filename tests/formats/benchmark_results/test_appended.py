"""Results with a line a run, lists of runs, genai-perf's export, and results without means."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simkit.formats.benchmark_results.reader import read_run, read_runs

FIELD = Path(__file__).resolve().parents[2] / "fixtures" / "field"


def same(one, other):
    return replace(one, source=other.source) == other


def test_a_line_of_sglangs_benchmark_is_its_one_run_json():
    one, line = read_run(FIELD / "m30_sglang_one.json"), read_run(FIELD / "m30_sglang_one.jsonl")
    assert same(one, line)
    assert (one.source.tool, one.concurrency, one.ttft.mean_s, one.e2e.mean_s) == (
        "sglang-bench",
        8,
        0.09,
        2.9,
    )


@pytest.mark.parametrize("name", ["m30_sglang_one.json", "m33_vllm_one.json"])
@pytest.mark.parametrize("form", ["appended", "listed", "lines of lists"])
def test_several_runs_in_a_file_are_each_like_one(tmp_path, name, form):
    text = (FIELD / name).read_text().strip()
    path = tmp_path / "out.json"
    path.write_text(
        {
            "appended": f"{text}\n{text}\n",
            "listed": f"[{text},\n{text}]",
            "lines of lists": f"[{text}, {text}]",
        }[form]
    )
    one, two = read_runs(path)
    assert same(one, two)
    assert same(one, read_run(FIELD / name))


def test_genai_perfs_export(tmp_path):
    run = read_run(FIELD / "m32_genai_perf.json")
    assert (run.source.tool, run.model, run.concurrency, run.num_requests) == (
        "genai-perf",
        "Qwen/Qwen3-8B",
        8,
        80,
    )
    assert (run.ttft.mean_s, run.itl.mean_s, run.e2e.p99_s) == (0.09, 0.011, pytest.approx(3.48))


def test_what_lacks_means_says_so(tmp_path):
    document = json.loads((FIELD / "m33_vllm_one.json").read_text())
    path = tmp_path / "medians.json"
    path.write_text(
        json.dumps({key: value for key, value in document.items() if not key.startswith("mean_")})
    )
    run = read_run(path)
    assert (run.ttft.mean_s, run.ttft.p50_s) == (None, 0.088)
    assert "no mean of TTFT, ITL" in run.notes[-1]
