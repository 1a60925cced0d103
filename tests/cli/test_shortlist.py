"""recommend --simulate-finalists and --time-budget."""

import json
import signal

import pytest

QUESTION = (
    "--model", "Qwen/Qwen3-32B-FP8", "--gpu", "h200_sxm", "--total-gpus", "4", "--backend", "sglang",
    "--isl", "2000", "--osl", "200", "--concurrency", "24",
)  # fmt: skip


def test_finalists_stand_beside_the_closed_form_in_every_view(simkit, tmp_path):
    out = tmp_path / "out"
    words = (*QUESTION, "--simulate-finalists", "2", "--quiet", "-o", out)
    plain = json.loads(simkit("recommend", *QUESTION, "--format", "json").out)
    document = json.loads(simkit("recommend", *words, "--format", "json").out)
    assert "finalists" not in plain
    assert not any("simulated" in item for item in plain["candidates"])
    assert document["finalists"]["simulated"] == 2
    done = [item for item in document["candidates"] if "simulated" in item]
    assert len(done) == 2
    for item in done:
        assert set(item["simulated"]["ttft_ms"]) == {"mean", "p50", "p75", "p90", "p95", "p99"}
        assert item["meets_sla"] is item["simulated"]["meets_sla"]
    assert json.loads((out / "recommendation.json").read_text()) == document
    assert "Simulated request by request" in (out / "report.md").read_text()
    assert "Simulated request by request" in (out / "report.html").read_text()
    assert "simulated_ttft_ms_p99" in (out / "candidates.csv").read_text().splitlines()[0]
    assert "2 of 2 finalists simulated" in " ".join(simkit("recommend", *words).out.split())


def test_the_same_seed_gives_the_same_folder(simkit, tmp_path):
    for name in ("a", "b"):
        words = ("--simulate-finalists", "2", "--seed", "7", "--quiet", "-o", tmp_path / name)
        simkit("recommend", *QUESTION, *words)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_saves_what_is_there_and_says_how_to_go_on(
    simkit, tmp_path, monkeypatch, number, status
):
    from simkit.verbs import shortlist

    def interrupted(problem, candidate, seed):
        if number is signal.SIGINT:  # which is the runner's own here
            raise KeyboardInterrupt
        signal.raise_signal(number)

    monkeypatch.setattr(shortlist, "simulated_candidate", interrupted)
    found = simkit("recommend", *QUESTION, "--simulate-finalists", "2", "-o", tmp_path / "out")
    assert found.status == status
    assert "interrupted after 0 of 2 finalists" in found.err
    assert "run the same command again" in found.err
    document = json.loads((tmp_path / "out" / "recommendation.json").read_text())
    assert document["finalists"]["stopped"] == "interrupted"
    assert (tmp_path / "out" / "dgd.yaml").exists()


def test_a_budget_without_a_number_simulates_what_it_allows(simkit):
    words = ("--time-budget", "600", "--limit", "3", "--format", "json", "--quiet")
    document = json.loads(simkit("recommend", *QUESTION, *words).out)
    assert document["finalists"]["simulated"] == len(document["candidates"]) == 3


def test_bad_budgets_and_counts_are_one_line(simkit):
    for words in (("--time-budget", "0"), ("--simulate-finalists", "-1"), ("--seed", "-1")):
        found = simkit("recommend", *QUESTION, *words)
        assert found.status == 2, words
        assert found.err.count("\n") == 1
