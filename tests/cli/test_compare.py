"""simkit compare: two deployments, requests or recommendations."""

import json

import pytest

QUESTION = ("--model", "Qwen/Qwen3-32B-FP8", "--gpu", "h200_sxm", "--total-gpus", "8", "--concurrency", "40")


@pytest.fixture
def answers(simkit, tmp_path):
    """A folder with the best two deployments."""
    simkit("recommend", *QUESTION, "--top", "2", "--quiet", "-o", tmp_path / "out")
    return tmp_path / "out"


def compared(simkit, *words):
    found = simkit("compare", *words, "--format", "json", "--quiet")
    assert found.status == 0, found.err
    return json.loads(found.out)


LOAD = ("--gpu", "h200_sxm", "--concurrency", "40")


def test_a_deployment_does_not_differ_from_itself(simkit, answers):
    document = compared(simkit, answers / "dgd.yaml", answers / "dgd.yaml", *LOAD)
    assert document["settings"] == []
    assert all(row["change"] == 0 for row in document["figures"] if row["change"] is not None)
    assert all(row["change_ms"] == 0 for row in document["operators"])
    assert "no difference" in simkit("compare", answers / "dgd.yaml", answers / "dgd.yaml", *LOAD).out


def test_two_deployments_differ_in_layout_figures_and_operators(simkit, answers):
    document = compared(simkit, answers / "dgd.yaml", answers / "dgd-2.yaml", *LOAD)
    assert document["settings"]
    for side in ("a", "b"):
        one = {"a": "dgd.yaml", "b": "dgd-2.yaml"}[side]
        estimated = json.loads(simkit("estimate", answers / one, *LOAD, "--format", "json", "--quiet").out)
        figures = {row["metric"]: row[side] for row in document["figures"]}
        assert figures["ttft_ms"] == estimated["ttft_ms"]["mean"]
        assert figures["output_tokens_per_s"] == estimated["output_tokens_per_s"]
        times = {(row["phase"], row["operator"]): row[f"{side}_ms"] for row in document["operators"]}
        for line in estimated["by_operator"]:
            assert times[line["phase"], line["operator"]] == line["time_ms"]
    sizes = [abs(row["change_ms"]) for row in document["operators"]]
    assert sizes == sorted(sizes, reverse=True)


def test_two_recommendations_differ_in_what_was_asked(simkit, answers, tmp_path):
    simkit("recommend", *QUESTION, "--itl", "8", "--quiet", "-o", tmp_path / "other")
    pair = (answers / "recommendation.json", tmp_path / "other" / "recommendation.json")
    document = compared(simkit, *pair)
    assert {"path": "sla.itl_ms", "a": 30, "b": 8} in document["question"]
    page = tmp_path / "compare.md"
    simkit("compare", *pair, "--quiet", "-o", page)
    assert "sla.itl\\_ms" in page.read_text() or "sla.itl_ms" in page.read_text()


@pytest.mark.parametrize("text", ["kind: Pod", "a: [", "3"])
def test_what_cannot_be_compared_is_one_line(simkit, tmp_path, text):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    found = simkit("compare", wrong, wrong, *LOAD)
    assert found.status == 2
    assert found.err.count("\n") == 1
    assert "wrong.yaml" in found.err


def test_a_json_file_of_another_kind_is_refused(simkit, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    found = simkit("compare", wrong, wrong)
    assert found.status == 2
    assert "not a recommendation.json" in found.err
