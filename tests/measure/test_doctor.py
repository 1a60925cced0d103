"""Planted causes are found: a run that carries a cause's latencies (and its signs) names that cause first."""

from dataclasses import replace

import pytest

from simkit.compare.diagnosis import Hypothesis, distance, ranked
from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, ServerSide, Source
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.measure.doctor import doctor, workload_of_run
from simkit.measure.hypotheses import hypotheses, means_of
from simkit.verbs.estimate import Layouts, estimate_problem

LOAD = Workload(isl_tokens=4000, osl_tokens=500, concurrency=48, requests_per_slot=10)
REQUEST = Request(
    model="Qwen/Qwen3-32B", backend="vllm", workload=LOAD, hardware=Hardware(gpu="h100_sxm", total_gpus=8)
)
TOGETHER, APART = Layouts(worker="2xtp2"), Layouts(prefill="2xtp2", decode="1xtp4")


def run_of(means, **more):
    values = {
        "ttft": MeasuredSpread(mean_s=means["ttft"]), "itl": MeasuredSpread(mean_s=means["itl"]),
        "icl": MeasuredSpread(mean_s=means["itl"]),
        "e2e": MeasuredSpread(mean_s=means["ttft"] + 499 * means["itl"]),
    }  # fmt: skip
    return Run(
        source=Source(tool="aiperf", path="run"), isl_tokens=4000, osl_tokens=500,
        requests_per_slot=10, num_requests=480, **{"concurrency": 48, **values, **more},
    )  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    """Deployment and the means that each cause would give, by layout and name."""

    def build(layouts, name, **signs):
        problem, result = estimate_problem(REQUEST, layouts)
        deployment = result.candidate.deployment
        before = means_of(result.candidate.estimate)
        found = hypotheses(problem, deployment, run_of(before, **signs), before)
        return deployment, before, next(item.means for item in found if item.name == name)

    return build


FULL = ServerSide(kv_usage_frac=0.99, preemptions=12.0)
ROOMY = ServerSide(kv_usage_frac=0.2, preemptions=0.0, cached_prompt_frac=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layouts", "name", "signs"),
    [
        (TOGETHER, "KV cache limit", {"server": FULL}),
        (TOGETHER, "prefix cache hits", {"server": ServerSide(cached_prompt_frac=0.6)}),
        (APART, "KV transfer over TCP", {"server": ROOMY}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_cause_comes_first(planted, layouts, name, signs):
    deployment, before, means = planted(layouts, name, **signs)
    assert distance(means, before) > 0.1  # it changes something
    found = doctor(REQUEST, deployment, run_of(means, **signs))
    assert found.causes[0].name == name
    assert found.causes[0].explained_frac > 0.9
    assert found.causes[0].tell


def test_bundled_tokens_are_speculative_decoding(planted):
    """Steps take as long as predicted, but 1.8 tokens come out of each."""
    deployment, before, _ = planted(TOGETHER, "token budget")
    fast = {**before, "itl": before["itl"] / 1.8}
    found = doctor(REQUEST, deployment, run_of(fast, icl=MeasuredSpread(mean_s=before["itl"]), server=ROOMY))
    assert found.causes[0].name == "speculative decoding"
    assert "1.8 tokens" in found.causes[0].says


def test_short_steps_without_graphs_are_launch_bound():
    small = replace(REQUEST, model="Qwen/Qwen3-8B", workload=replace(LOAD, concurrency=4))
    problem, result = estimate_problem(small, Layouts(worker="tp8"))
    deployment, before = result.candidate.deployment, means_of(result.candidate.estimate)
    found = hypotheses(problem, deployment, run_of(before, concurrency=4), before)
    means = next(item.means for item in found if item.name == "no CUDA graphs")
    assert means["itl"] > 1.2 * before["itl"]
    found = doctor(small, deployment, run_of(means, concurrency=4, server=ROOMY))
    assert found.causes[0].name == "no CUDA graphs"


def test_a_late_client_is_named_and_not_the_server(planted):
    deployment, before, _ = planted(TOGETHER, "token budget")
    slow = {**before, "ttft": before["ttft"] + 2.0}
    server = replace(ROOMY, ttft_s=before["ttft"], itl_s=before["itl"])
    found = doctor(REQUEST, deployment, run_of(slow, server=server, client_delay_s=0.5))
    assert found.causes[0].name == "client overhead"
    assert "the server's own TTFT" in found.causes[0].sign


def test_everything_alike_is_the_gpus_speed(planted):
    deployment, before, _ = planted(TOGETHER, "token budget")
    slow = {name: 1.5 * value for name, value in before.items()}
    found = doctor(REQUEST, deployment, run_of(slow, server=ROOMY))
    assert found.causes[0].name == "speed of the GPUs"
    assert "50% slower" in found.causes[0].says


def test_agreement_has_no_cause(planted):
    deployment, before, _ = planted(TOGETHER, "token budget")
    found = doctor(REQUEST, deployment, run_of(before, server=ROOMY))
    assert found.comparison.within
    assert found.causes == ()


def test_signs_raise_and_rule_out():
    means = {"ttft": 0.2, "itl": 0.01}
    plain = Hypothesis(name="plain", says="", tell="", means=means)
    signed = replace(plain, name="signed", sign="seen")
    out = replace(plain, name="out", against="cannot be")
    order = ranked({"ttft": 0.1, "itl": 0.01}, means, [out, plain, signed])
    assert [cause.name for cause in order] == ["signed", "plain", "out"]
    assert {cause.explained_frac for cause in order} == {1.0}


def test_distance_weighs_itl_twice():
    assert distance({"ttft": 2.0, "itl": 1.0}, {"ttft": 1.0, "itl": 1.0}) == pytest.approx(0.6931, rel=1e-3)
    assert distance({"ttft": 1.0, "itl": 2.0}, {"ttft": 1.0, "itl": 1.0}) == pytest.approx(1.3863, rel=1e-3)


def test_a_run_must_say_its_load_and_have_latencies(planted):
    deployment, before, _ = planted(TOGETHER, "token budget")
    with pytest.raises(InputError, match="neither concurrency nor request rate"):
        workload_of_run(replace(run_of(before), concurrency=None))
    empty = run_of(before, ttft=MeasuredSpread(), itl=MeasuredSpread())
    with pytest.raises(InputError, match="neither TTFT nor ITL"):
        doctor(REQUEST, deployment, empty)
