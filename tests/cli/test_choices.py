"""Several GPUs or engines as one question: each row is what asking alone says, and the best is written."""

import json

import pytest
import yaml

QWEN = ("--model", "Qwen/Qwen3-8B", "--isl", "2000", "--osl", "300", "--total-gpus", "4", "--quiet")
SLA = ("--ttft", "1000", "--itl", "20")


def asked(simkit, *words):
    found = simkit("recommend", *words, "--format", "json")
    assert found.status in (0, 1), found.err
    return json.loads(found.out), found.status


def without_tie(candidate):
    return {key: value for key, value in candidate.items() if key != "tied"}


def test_gpus_side_by_side_are_what_each_alone_says(simkit):
    gpus = ("h100_sxm", "h200_sxm", "b200_sxm")
    alone = {gpu: asked(simkit, *QWEN, *SLA, "--gpu", gpu)[0] for gpu in gpus}
    answer, _ = asked(simkit, *QWEN, *SLA, "--gpu", ",".join(gpus))
    rows = answer["alternatives"]
    assert {row["gpu"] for row in rows} == set(gpus)
    for row in rows:
        assert without_tie(row["candidate"]) == without_tie(alone[row["gpu"]]["selected"])
    speeds = [row["candidate"]["output_tokens_per_s"] for row in rows]
    assert speeds == sorted(speeds, reverse=True)  # without a load, throughput decides
    assert [row["wins"] for row in rows] == [True, False, False]
    winner = alone[rows[0]["gpu"]]
    assert {key: answer[key] for key in ("request", "candidates", "trade_offs", "meets_sla")} == {
        key: winner[key] for key in ("request", "candidates", "trade_offs", "meets_sla")
    }
    assert rows[0]["gpu"] in answer["explanation"][0]


def test_engines_under_a_load_and_the_folder_of_the_winner(simkit, tmp_path):
    words = (*QWEN, *SLA, "--gpu", "h200_sxm", "--request-rate", "20", "--gpu-hour-price", "3")
    alone = {name: asked(simkit, *words, "--backend", name)[0] for name in ("vllm", "sglang")}
    answer, status = asked(simkit, *words, "--backend", "sglang,vllm", "-o", tmp_path / "out")
    rows = answer["alternatives"]
    for row in rows:
        assert without_tie(row["candidate"]) == without_tie(alone[row["backend"]]["selected"])
        assert row["candidate"]["cost_per_million_output_tokens"] > 0
    best = rows[0]
    assert best["wins"] and best["candidate"]["num_gpus"] == min(r["candidate"]["num_gpus"] for r in rows)
    assert status == (0 if best["candidate"]["meets_sla"] else 1)
    assert json.loads((tmp_path / "out" / "recommendation.json").read_text()) == answer
    dgd = list(yaml.safe_load_all((tmp_path / "out" / "dgd.yaml").read_text()))[-1]
    assert best["backend"] in json.dumps(dgd)
    for report in ("report.md", "report.html"):
        assert "Side by side" in (tmp_path / "out" / report).read_text()


def test_every_gpu_with_every_engine_in_a_table(simkit):
    found = simkit(
        "recommend", *QWEN, *SLA, "--gpu", "h100_sxm,h200_sxm", "--backend", "vllm,sglang", "--mode", "agg"
    )
    assert found.status in (0, 1), found.err
    head = found.out[: found.out.index("The pick of each")]
    assert all(
        sum(gpu in line and engine in line for line in head.splitlines()) == 1
        for gpu in ("h100_sxm", "h200_sxm")
        for engine in ("vllm", "sglang")
    )


def test_one_that_cannot_run_says_why_beside_the_others(simkit):
    words = (
        "--model",
        "deepseek-ai/DeepSeek-R1",
        "--total-gpus",
        "8",
        "--backend",
        "sglang",
        "--mode",
        "agg",
    )
    answer, _ = asked(simkit, *words, "--gpu", "h100_sxm,h200_sxm", "--quiet")
    last = answer["alternatives"][-1]
    assert (last["gpu"], last["candidate"]) == ("h100_sxm", None)
    assert "does not fit" in last["refusal"]
    assert answer["request"]["hardware"]["gpu"] == "h200_sxm"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--gpu", "h100_sxm,h999"), "unknown GPU 'h999'"),
        (("--gpu", "h100_sxm,"), "an empty name"),
        (("--gpu", "h100_sxm", "--backend", "auto,vllm"), "auto is every engine already"),
        (("--gpu", "h100_sxm", "--backend", "vllm,sglong"), "sglong"),
        (("--gpu", "h100_sxm,h200_sxm", "--simulate-finalists", "2"), "name one"),
    ],
)
def test_lists_that_cannot_be_are_refused_in_one_line(simkit, words, said):
    found = simkit("recommend", *QWEN, *words)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1


def test_nodes_of_different_sizes_want_a_number_of_gpus(simkit):
    words = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm,gb200_sxm", "--backend", "vllm")
    found = simkit("recommend", *words)
    assert found.status == 2
    assert "give --total-gpus" in found.err
