"""`--total-gpus auto`: as many GPUs as the load needs, with the figures of a search that has enough."""

import json

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--isl", "2000", "--osl", "300", "--quiet")
BOUNDS = ("--ttft", "1000", "--itl", "20")
LOAD = ("--request-rate", "60")


def asked(simkit, *words):
    found = simkit("recommend", *QWEN, *BOUNDS, *words, "--format", "json")
    assert found.status in (0, 1), found.err
    return json.loads(found.out), found.status


def test_the_fewest_gpus_are_those_of_a_search_with_enough(simkit, tmp_path):
    answer, status = asked(simkit, *LOAD, "--total-gpus", "auto", "-o", tmp_path / "out")
    wide, _ = asked(simkit, *LOAD, "--total-gpus", "1024")
    assert status == 0
    for part in ("selected", "candidates", "trade_offs", "rejected"):
        assert answer[part] == wide[part]
    hardware = answer["request"]["hardware"]
    assert (hardware["total_gpus"], hardware["as_needed"]) == (answer["selected"]["num_gpus"], True)
    assert "as_needed" not in wide["request"]["hardware"]
    assert all(point["num_gpus"] <= hardware["total_gpus"] for point in answer["pareto"])
    assert "--total-gpus auto" in (tmp_path / "out" / "report.md").read_text().splitlines()[0]


def test_more_load_takes_more_gpus(simkit):
    rates = ("5", "60", "600")
    counts = [
        asked(simkit, "--request-rate", rate, "--total-gpus", "auto")[0]["selected"]["num_gpus"]
        for rate in rates
    ]
    assert counts == sorted(set(counts))


def test_the_most_that_is_tried_is_said_when_it_is_not_enough(simkit):
    answer, status = asked(simkit, "--request-rate", "1e6", "--total-gpus", "auto")
    assert status == 1
    assert any("up to 1,024 GPUs were tried" in text for text in answer["request"]["warnings"])


def test_gpus_are_compared_by_how_many_the_load_needs(simkit):
    words = (*LOAD, "--total-gpus", "auto", "--backend", "vllm")
    alone = {
        gpu: asked(simkit, *words, "--gpu", gpu)[0]["selected"]["num_gpus"]
        for gpu in ("h100_sxm", "h200_sxm")
    }
    answer, _ = asked(simkit, *words, "--gpu", "h100_sxm,h200_sxm")
    assert {row["gpu"]: row["candidate"]["num_gpus"] for row in answer["alternatives"]} == alone
    assert answer["selected"]["num_gpus"] == min(alone.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("recommend", "--total-gpus", "auto"), "give --request-rate or --concurrency"),
        (("recommend", "--total-gpus", "auto", "--concurrency", "8", "--objective", "latency"), "drop --obj"),
        (("recommend", "--total-gpus", "eight"), "expected a whole number"),
        (("estimate", "--total-gpus", "auto"), "give a number of GPUs here"),
    ],
)
def test_what_cannot_be_counted_is_refused_in_one_line(simkit, words, said):
    verb, *flags = words
    found = simkit(verb, *QWEN, *flags)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1
