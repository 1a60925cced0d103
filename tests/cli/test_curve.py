"""`estimate --concurrency 1,2,4`: each point of the curve is what asking for it alone says."""

import json

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--isl", "2000", "--osl", "300", "--quiet")
LOADS = ("1", "7", "64", "900", "4000")
LAYOUTS = (("--worker", "2xtp1"), ("--prefill", "1xtp1", "--decode", "2xtp2", "--backend", "sglang"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_point_is_what_asking_alone_says(simkit, layout):
    found = simkit("estimate", *QWEN, *layout, "--concurrency", ",".join(LOADS), "--format", "json")
    assert found.status == 0, found.err
    document = json.loads(found.out)
    assert [item["concurrency"] for item in document["curve"]] == [float(load) for load in LOADS]
    for load, point in zip(LOADS, document["curve"], strict=True):
        single = json.loads(simkit("estimate", *QWEN, *layout, "--concurrency", load, "--format", "json").out)
        assert document["model"] == single["model"]
        for key, value in point.items():
            if key != "notes":
                assert value == single[key], (load, key)


def test_a_bound_that_no_load_keeps_is_a_miss_and_one_that_some_keep_is_not(simkit):
    words = ("estimate", *QWEN, "--worker", "1xtp1", "--concurrency", "1,512", "--itl", "1000")
    assert simkit(*words, "--ttft", "15").status == 1
    assert simkit(*words, "--ttft", "500").status == 0


def test_the_table_has_a_line_for_each_load(simkit):
    found = simkit("estimate", *QWEN, "--worker", "1xtp1", "--concurrency", "3,5,9")
    lines = [line.split() for line in found.out.splitlines()]
    assert [words[0] for words in lines if words and words[0] in ("3", "5", "9")] == ["3", "5", "9"]
    assert "\u2026" not in found.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("estimate", "--concurrency", "1,two"), "expected a number of requests in flight"),
        (("estimate", "--concurrency", "1,-2"), "must be positive"),
        (("estimate", "--concurrency", "1,2", "--dgd", "x.yaml"), "one load"),
        (("estimate", "--concurrency", "1,2", "--request-rate", "3"), "exclude each other"),
        (("recommend", "--concurrency", "1,2"), "estimate alone"),
    ],
)
def test_what_is_no_curve_is_refused_in_one_line(simkit, words, said):
    verb, *flags = words
    found = simkit(verb, *QWEN, *flags)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1
