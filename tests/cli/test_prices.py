"""The cheapest GPU: prices for all, by GPU or in a file, and the cost of tokens as what decides."""

import json

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--isl", "2000", "--osl", "300", "--total-gpus", "2", "--backend", "vllm")
TWO = (*QWEN, "--gpu", "h100_sxm,b200_sxm", "--quiet")


def asked(simkit, *words):
    found = simkit("recommend", *words, "--format", "json")
    assert found.status in (0, 1), found.err
    return json.loads(found.out)


def costs(answer):
    rows = answer["alternatives"]
    return {row["gpu"]: row["candidate"]["cost_per_million_output_tokens"] for row in rows}


@pytest.mark.parametrize(
    ("prices", "cheapest"), [("h100_sxm=1,b200_sxm=20", "h100_sxm"), ("H100-SXM=20,b200_sxm=1", "b200_sxm")]
)
def test_the_cheapest_tokens_win(simkit, prices, cheapest):
    answer = asked(simkit, *TWO, "--objective", "cost", "--gpu-hour-price", prices)
    found = costs(answer)
    assert min(found, key=found.get) == cheapest == answer["alternatives"][0]["gpu"]
    assert f"{cheapest} is best by the cost of output tokens" in answer["explanation"][0]


def test_a_price_is_that_of_its_gpu_and_comes_back_in_the_command(simkit, tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("h100_sxm: 2.5\nb200_sxm: 5\nl40s: 1\n")
    listed = asked(simkit, *TWO, "--gpu-hour-price", "h100_sxm=2.5,b200_sxm=5")
    assert costs(asked(simkit, *TWO, "--gpu-hour-price", prices, "-o", tmp_path / "out")) == costs(listed)
    alone = asked(simkit, *QWEN, "--gpu", "b200_sxm", "--quiet", "--gpu-hour-price", "5")
    assert alone["selected"]["cost_per_million_output_tokens"] == costs(listed)["b200_sxm"]
    report = (tmp_path / "out" / "report.md").read_text()
    assert "--gpu-hour-price " in report
    assert "h100_sxm=2.5" in report and "b200_sxm=5" in report


def test_one_gpu_is_cheapest_where_its_gpus_give_most_each(simkit):
    words = (*QWEN, "--gpu", "h100_sxm", "--quiet")
    answer = asked(simkit, *words, "--objective", "cost", "--gpu-hour-price", "2")
    rows = [row for row in answer["candidates"] if row["meets_sla"]]
    assert answer["selected"]["cost_per_million_output_tokens"] == min(
        row["cost_per_million_output_tokens"] for row in rows
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--objective", "cost"), "add --gpu-hour-price"),
        (("--gpu-hour-price", "h100_sxm=2.5"), "no price for b200_sxm; add b200_sxm=PRICE"),
        (("--gpu-hour-price", "h100_sxm=cheap"), "expected a price such as 2.5"),
        (("--gpu-hour-price", "-1"), "expected a price such as"),
        (("--gpu-hour-price", "nosuch=1"), "nosuch"),
    ],
)
def test_what_is_no_price(simkit, words, said):
    found = simkit("recommend", *TWO, *words)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1
