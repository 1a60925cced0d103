"""A DGD of ours remembers what it was made for: verbs ask about it as it was meant, and flags go before."""

import json

import pytest
import yaml

ASKED = (
    "--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--total-gpus", "4", "--backend", "vllm",
    "--isl", "3000",
)  # fmt: skip
MORE = ("--osl", "200", "--ttft", "p95:900", "--itl", "15", "--prefix-hit", "0.5")


@pytest.fixture(params=["rate", "chosen"])
def folder(request, tmp_path, simkit):
    """What recommend wrote for a rate, and for a load that it chose."""
    out = tmp_path / request.param
    load = ("--request-rate", "8") if request.param == "rate" else ()
    found = simkit("recommend", *ASKED, *MORE, *load, "-o", out, "--quiet")
    assert found.status in (0, 1), found.err
    return out


def estimated(simkit, *words):
    found = simkit("estimate", *words, "--format", "json")
    assert found.status in (0, 1), found.err
    return json.loads(found.out), found


def test_the_folder_and_its_dgd_say_what_the_recommendation_said(simkit, folder):
    said = json.loads((folder / "recommendation.json").read_text())["selected"]
    for what in (folder, folder / "dgd.yaml"):
        again, found = estimated(simkit, what)
        assert again["ttft_ms"]["mean"] == pytest.approx(said["ttft_ms"]["mean"], rel=1e-3)
        assert again["itl_ms"]["mean"] == pytest.approx(said["itl_ms"]["mean"], rel=1e-3)
        assert again["meets_sla"] == said["meets_sla"]
        assert found.status == (0 if said["meets_sla"] else 1)
        assert "asked as it was made for" in found.err and "--ttft p95:900" in found.err


def test_flags_go_before_and_a_load_or_an_sla_is_taken_whole(simkit, folder):
    words = ("--isl", "1000", "--osl", "100", "--concurrency", "4", "--itl", "50")
    again, found = estimated(simkit, folder / "dgd.yaml", *words)
    assert (again["concurrency"], found.err.count("--request-rate"), found.err.count("--ttft")) == (4, 0, 0)
    assert "--prefix-hit 0.5" in found.err


def test_a_simulation_asks_the_same(simkit, folder):
    found = simkit("simulate", folder, "--requests", "40", "--quiet", "--format", "json")
    assert found.status in (0, 1), found.err
    load = json.loads(found.out)["simkit"]["load"]
    assert "3,000 + 200 tokens" in load["words"]
    assert (load["request_rate_per_s"] == 8.0) == (folder.name == "rate")


@pytest.mark.parametrize("text", ["--gpu", "--own /etc/passwd", "--isl many", "'"])
def test_what_simkit_does_not_write_is_refused(simkit, folder, tmp_path, text):
    documents = list(yaml.safe_load_all((folder / "dgd.yaml").read_text()))
    documents[-1]["metadata"]["annotations"]["simkit.io/asked"] = text
    path = tmp_path / "dgd.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    found = simkit("estimate", path)
    assert found.status == 2
    assert "simkit.io/asked" in found.err and found.err.count("\n") <= 2


def test_a_folder_without_a_dgd(simkit, tmp_path):
    found = simkit("estimate", tmp_path)
    assert found.status == 2
    assert "holds no dgd.yaml" in found.err
