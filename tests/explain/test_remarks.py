"""What is said beside the explanation."""

from dataclasses import replace

from simkit.core.draft import Draft
from simkit.core.estimate import Simulated, Spread
from simkit.core.request import Tuning
from simkit.core.words import amount
from simkit.explain.remarks import remarks, settings_words
from simkit.search.search import search


def test_the_fewest_gpus_for_a_load_are_named(problem_of):
    bounded = search(problem_of("Qwen/Qwen3-8B", gpus=8, concurrency=40, slo={"itl_s": 0.05, "ttft_s": 5.0}))
    count = bounded.selected.deployment.num_gpus
    assert count == 1
    assert any(
        text.startswith("1 GPU is the fewest that holds the SLA at 40 requests") for text in remarks(bounded)
    )
    free = search(problem_of("meta-llama/Meta-Llama-3.1-70B", gpus=8, request_rate_per_s=0.5))
    assert any("the fewest that carry 0.5 requests/s" in text for text in remarks(free))
    assert not any("fewest" in text for text in remarks(search(problem_of("Qwen/Qwen3-8B", gpus=2))))


def test_goodput_and_knee_are_told(problem_of):
    found = search(problem_of(gpus=8, slo={"itl_s": 0.03, "ttft_s": 2.0}))
    told = " ".join(remarks(found))
    assert "are expected to meet every SLA bound" in told
    assert found.knee is not None
    assert f"{found.pareto[found.knee].estimate.output_tokens_per_s_per_gpu:,.0f} per GPU" in told


def test_unusual_settings_are_told(problem_of):
    draft = Draft(method="ngram", tokens=2, acceptance=1.0)
    found = search(
        problem_of(gpus=1, tuning=Tuning(max_num_batched_tokens=4096, kv_dtype="fp8", draft=draft))
    )
    assert remarks(found)[0] == (
        "Engine settings of the choice: 4,096 tokens a step, "
        "speculative decoding (ngram, 2 tokens, acceptance 1), KV cache in fp8."
    )
    plain = search(problem_of(gpus=1, tuning=Tuning(max_num_batched_tokens=8192)))
    assert settings_words(plain.selected.deployment) == ""


def test_the_goodput_told_is_the_simulated_one_where_there_is_one(problem_of):
    found = search(problem_of(gpus=8, slo={"itl_s": 0.03, "ttft_s": 2.0}))
    spread = Spread(mean_s=1.0, p50_s=1.0, p75_s=1.0, p90_s=1.0, p95_s=1.0, p99_s=1.0)
    simulated = Simulated(
        requests=200, concurrency=8, ttft=spread, itl=spread, e2e=spread, request_rate_per_s=40.0,
        output_tokens_per_s=40.0, output_tokens_per_s_per_gpu=5.0, violation=0.5, goodput_per_s=30.0,
    )  # fmt: skip
    first = replace(found.selected, simulated=simulated)
    told = " ".join(remarks(replace(found, candidates=(first, *found.candidates[1:]))))
    assert "Goodput: 30 of 40 requests/s (75%) meet every SLA bound in the simulation" in told


def test_large_amounts_are_told_without_an_exponent():
    assert [amount(value) for value in (1804.4, 99.6, 16.31, 0.5)] == ["1,804", "99.6", "16.3", "0.5"]
