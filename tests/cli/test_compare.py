"""simkit compare: two deployments, requests or recommendations."""

import json

import pytest

MODEL = ("--model", "Qwen/Qwen3-32B-FP8", "--gpu", "h200_sxm", "--total-gpus", "8")
LOAD = ("--gpu", "h200_sxm", "--concurrency", "40")


def recommended(simkit, folder, *words):
    found = simkit("recommend", *MODEL, *words, "--quiet", "-o", folder)
    assert found.status in (0, 1), found.err
    return folder


@pytest.fixture
def answers(simkit, tmp_path):
    """A folder with the best two deployments under a load."""
    return recommended(simkit, tmp_path / "out", "--concurrency", "40", "--top", "2")


def compared(simkit, *words):
    found = simkit("compare", *words, "--format", "json", "--quiet")
    assert found.status == 0, found.err
    return json.loads(found.out)


def test_a_deployment_does_not_differ_from_itself(simkit, answers):
    document = compared(simkit, answers / "dgd.yaml", answers / "dgd.yaml", *LOAD)
    assert document["settings"] == []
    assert document["question"] == []
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


def test_an_aggregated_engine_stands_in_both_roles_of_a_disaggregated_one(simkit, tmp_path):
    agg = recommended(simkit, tmp_path / "agg", "--concurrency", "40", "--mode", "agg")
    disagg = recommended(simkit, tmp_path / "disagg", "--concurrency", "40", "--mode", "disagg")
    document = compared(simkit, agg / "dgd.yaml", disagg / "dgd.yaml", *LOAD)
    answer = {
        folder.name: json.loads((folder / "recommendation.json").read_text())["selected"]
        for folder in (agg, disagg)
    }
    settings = {row["path"]: (row["a"], row["b"]) for row in document["settings"]}
    assert settings["mode"] == ("agg", "disagg")
    for role in ("prefill", "decode"):
        pair = (answer["agg"]["plan"]["tp"], answer["disagg"][role]["plan"]["tp"])
        assert settings.get(f"{role}.plan.tp", (pair[0], pair[0])) == pair
    assert not any(path.startswith(("plan", "engine", "replicas")) for path in settings)
    assert sum("step takes" in line for line in document["why"]) == 2


def test_two_recommendations_differ_in_what_was_asked(simkit, answers, tmp_path):
    other = recommended(simkit, tmp_path / "other", "--concurrency", "40", "--ttft", "2000", "--itl", "12")
    document = compared(simkit, answers / "recommendation.json", other)
    assert {"path": "sla.itl_ms", "a": 30, "b": 12} in document["question"]
    page = tmp_path / "compare.md"
    simkit("compare", answers, other, "--quiet", "-o", page)
    assert "sla.itl" in page.read_text()


def test_a_recommendation_has_the_operators_of_its_deployment_at_its_own_load(simkit, tmp_path):
    """No load is given, so the search chose one; the artifact says which."""
    found = recommended(simkit, tmp_path / "free", "--mode", "agg")
    selected = json.loads((found / "recommendation.json").read_text())["selected"]
    load = ("--gpu", "h200_sxm", "--concurrency", selected["concurrency"], "--format", "json", "--quiet")
    estimated = json.loads(simkit("estimate", found / "dgd.yaml", *load).out)
    document = compared(simkit, found, found)
    times = {(row["phase"], row["operator"]): row["a_ms"] for row in document["operators"]}
    for line in estimated["by_operator"]:
        key = (line["phase"], line["operator"])
        assert times[key] == pytest.approx(line["time_ms"], rel=1e-4)


def test_a_recommendation_of_a_model_no_longer_known_lacks_operators_and_says_so(simkit, answers):
    path = answers / "recommendation.json"
    document = json.loads(path.read_text())
    document["request"]["model"] = "somewhere/else"
    path.write_text(json.dumps(document))
    found = compared(simkit, path, path)
    assert found["operators"] == []
    assert any("has no times by operator" in note and "somewhere/else" in note for note in found["notes"])
    assert "has no times by operator" in " ".join(simkit("compare", path, path).out.split())


def test_simulated_figures_are_compared_where_there_are_any(simkit, answers, tmp_path):
    second = recommended(simkit, tmp_path / "second", "--concurrency", "40", "--simulate-finalists", "1")
    document = compared(simkit, answers, second)
    figures = {row["metric"]: row for row in document["figures"]}
    selected = json.loads((second / "recommendation.json").read_text())["selected"]
    assert figures["simulated.ttft_ms.p99"]["a"] is None
    assert figures["simulated.ttft_ms.p99"]["b"] == selected["simulated"]["ttft_ms"]["p99"]


def test_two_requests_are_answered_and_compared(simkit, guide, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text((guide / "qwen-small.yaml").read_text())
    flags = ("--gpu", "h200_sxm", "--total-gpus", "4")
    document = compared(simkit, guide / "qwen-small.yaml", other, *flags)
    assert (document["a"]["kind"], document["b"]["kind"]) == ("request", "request")
    assert document["settings"] == document["question"] == []
    assert document["operators"]


def test_a_deployment_without_flags_is_asked_what_the_other_side_is(simkit, answers):
    document = compared(simkit, answers / "dgd.yaml", answers)
    assert document["question"] == document["settings"] == []
    assert all(abs(row["change"]) < 1e-3 for row in document["figures"] if row["change"] is not None)
    assert any("asked as it was made for" in note for note in document["notes"])
    bare = answers / "bare.yaml"
    lines = (answers / "dgd.yaml").read_text().splitlines(keepends=True)
    bare.write_text("".join(line for line in lines if "simkit.io/asked" not in line))
    again = compared(simkit, bare, answers)
    assert again["figures"] == document["figures"]
    assert any("asked what the other side is asked" in note for note in again["notes"])


@pytest.mark.parametrize("text", ["kind: Pod", "a: [", "3"])
def test_what_cannot_be_compared_is_one_line(simkit, tmp_path, text):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    found = simkit("compare", wrong, wrong, *LOAD)
    assert found.status == 2
    assert found.err.count("\n") == 1
    assert "wrong.yaml" in found.err


@pytest.mark.parametrize("change", [
    lambda doc: {},
    lambda doc: [],
    lambda doc: doc | {"selected": None},
    lambda doc: doc | {"request": {}},
    lambda doc: doc | {"selected": doc["selected"] | {"mode": "agg", "plan": {"tp": 0}}},
    lambda doc: doc | {"selected": doc["selected"] | {"ttft_ms": {"mean": "x", "lo": 1, "hi": 2}}},
    lambda doc: doc | {"selected": doc["selected"] | {"bottleneck": 3}},
])  # fmt: skip
def test_a_json_file_of_another_kind_is_refused(simkit, answers, change):
    path = answers / "recommendation.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    found = simkit("compare", path, path)
    assert found.status == 2
    assert found.err.count("\n") == 1
    assert "recommendation.json" in found.err


def test_a_draft_is_compared_as_it_was_predicted(simkit, tmp_path):
    found = recommended(simkit, tmp_path / "out", "--concurrency", "8", "--speculative", "ngram:3:0.9")
    engine = json.loads((found / "recommendation.json").read_text())["selected"]
    assert (engine.get("engine") or engine["decode"]["engine"])["speculative"]["tokens"] == 3
    document = compared(simkit, found, found / "dgd.yaml")
    assert document["settings"] == []
    assert all(abs(row["change"]) < 1e-3 for row in document["figures"] if row["change"] is not None)
    assert not any("today" in note for note in document["notes"])


def test_what_the_estimate_of_a_deployment_leaves_out_is_said(simkit, tmp_path):
    found = recommended(simkit, tmp_path / "out", "--concurrency", "8", "--speculative", "ngram:3:0.9")
    text = (found / "dgd.yaml").read_text()
    kept = [line for line in text.splitlines() if "simkit.io/speculative" not in line]
    (found / "dgd.yaml").write_text("\n".join(kept))
    document = compared(simkit, found, found / "dgd.yaml")
    assert any("speculative decoding is set and not modelled" in note for note in document["notes"])


def test_flags_that_change_nothing_of_a_recommendation_are_told(simkit, answers):
    document = compared(simkit, answers, answers / "dgd.yaml", *LOAD)
    told = [note for note in document["notes"] if "flags change nothing of it" in note]
    assert len(told) == 1
    assert "recommendation.json" in told[0]
