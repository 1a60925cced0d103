"""The search: within budget, true to the scalar estimator, exhaustive where that can be checked."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.core.deployment import Aggregated, Pool
from simkit.core.errors import InfeasibleError
from simkit.core.request import Tuning
from simkit.explain.answer import explanation
from simkit.search.picking import SURE_SHARE
from simkit.search.search import search
from simkit.search.space import MAX_NODES_PER_ENGINE, SpaceRules, plan_space

PLAIN = Tuning(max_num_batched_tokens=8192)  # no settings are searched
BISECTION = 1e-6  # disaggregated loops are solved by halving, whole tables to the same depth as one row
ROUNDING = 1e-9

MODELS = (
    "meta-llama/Meta-Llama-3.1-8B",
    "Qwen/Qwen3-32B",
    "Qwen/Qwen3-30B-A3B",
    "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-R1",
)

loads = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"concurrency": st.integers(1, 500)}),
    st.fixed_dictionaries({"concurrency": st.integers(1, 500), "requests_per_slot": st.integers(1, 20)}),
    st.fixed_dictionaries({"request_rate_per_s": st.floats(0.01, 50)}),
)
bounds = st.fixed_dictionaries(
    {},
    optional={"ttft_s": st.floats(0.05, 20), "itl_s": st.floats(2e-3, 0.2), "e2e_s": st.floats(1, 200)},
)
questions = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "gpus": st.integers(1, 64),
        "gpu": st.sampled_from(["h200_sxm", "a100_sxm", "b200_sxm"]),
        "backend": st.sampled_from(["auto", "vllm", "sglang", "trtllm"]),
        "isl_tokens": st.integers(1, 30_000),
        "osl_tokens": st.integers(3, 4000),
        "length_spread": st.sampled_from([0.0, 0.2]),
        "load": loads,
        "slo": bounds,
        "optimization": st.sampled_from([None, "latency", "throughput"]),
    }
)


def answer(problem_of, question):
    """The problem and its recommendation; None where nothing fits."""
    asked = dict(question)
    problem = problem_of(asked.pop("model"), **asked.pop("load"), **asked)
    try:
        return problem, search(problem)
    except InfeasibleError:
        return problem, None


def pools_in(deployment):
    if isinstance(deployment, Aggregated):
        return [deployment.worker]
    return [deployment.prefill, deployment.decode]


@pytest.mark.slow
@settings(max_examples=60)
@given(question=questions)
@example(
    question={
        "model": "meta-llama/Meta-Llama-3.1-8B", "gpus": 1, "gpu": "h200_sxm", "backend": "auto",
        "isl_tokens": 4909, "osl_tokens": 4, "length_spread": 0.2, "load": {"request_rate_per_s": 32.0},
        "slo": {}, "optimization": "latency",
    }  # an overloaded engine admits what its cache holds, in its DGD too
)  # fmt: skip
def test_any_question_has_an_answer_within_budget_consistent_and_true_to_the_estimator(problem_of, question):
    problem, found = answer(problem_of, question)
    if found is None:
        return
    nothing_is_over_budget(problem, found)
    estimates_are_consistent(problem, found)
    the_table_agrees_with_the_scalar_estimator(problem, found)


def nothing_is_over_budget(problem, found):
    device = problem.engines[0].device
    assert 1 <= len(found.candidates) <= problem.limit
    for candidate in (*found.candidates, *found.pareto):
        assert candidate.deployment.num_gpus <= problem.total_gpus
        for pool in pools_in(candidate.deployment):
            most = max(MAX_NODES_PER_ENGINE * device.gpus_per_node, device.link_domain_gpus)
            assert pool.plan.num_gpus <= most
        assert sum(candidate.estimate.memory_bytes.values()) <= device.memory_bytes * (1 + ROUNDING)


def estimates_are_consistent(problem, found):
    # With lengths from (1 - spread) to 1 the mean is half a spread below the nominal one.
    workload = problem.request.workload
    osl = max(workload.osl_tokens * (1 - workload.length_spread / 2), 1.0)
    for candidate in found.candidates:
        estimate = candidate.estimate
        if estimate.overloaded:
            continue  # requests queue without end
        for latency in (estimate.ttft, estimate.itl, estimate.e2e):
            assert 0 < latency.p50_s <= latency.p90_s <= latency.p99_s < math.inf
            assert 0 < latency.lo_s <= latency.mean_s <= latency.hi_s
        assert estimate.e2e.mean_s == pytest.approx(estimate.ttft.mean_s + (osl - 1) * estimate.itl.mean_s)
        assert estimate.tokens_per_s_per_user == pytest.approx(1 / estimate.itl.mean_s)
        assert estimate.output_tokens_per_s == pytest.approx(estimate.request_rate_per_s * osl)
        per_gpu = estimate.output_tokens_per_s / candidate.deployment.num_gpus
        assert estimate.output_tokens_per_s_per_gpu == pytest.approx(per_gpu)
        if workload.requests_per_slot is None:  # a finite run ends with fewer in flight
            in_flight = estimate.request_rate_per_s * estimate.e2e.mean_s
            if estimate.doubtful:  # full prefill engines feed less than typical latencies would let through
                assert in_flight <= estimate.concurrency * (1 + BISECTION)
            else:
                assert in_flight == pytest.approx(estimate.concurrency, rel=BISECTION)
        held = {name: getattr(estimate, name[:-2]).mean_s for name in problem.request.slo.bounds}
        within = all(held[name] <= bound for name, bound in problem.request.slo.bounds.items())
        assert candidate.meets_sla == (within and not estimate.overloaded)
        assert (estimate.sla_probability is None) == (not problem.request.slo.bounds)


def the_table_agrees_with_the_scalar_estimator(problem, found):
    """Every candidate and point of the front, estimated again on its own, gives the same latencies.

    Its engine admits half as many sequences again as the batch it was found at, so the cap is not met.
    """
    asked = problem.request.workload
    # The front sweeps loads in the steady state.
    front = found.pareto[::8] if asked.requests_per_slot is None else ()
    for candidate in (*found.candidates, *front):
        load = {"concurrency": candidate.estimate.concurrency, "request_rate_per_s": None}
        rate = asked.request_rate_per_s
        served = candidate.estimate.request_rate_per_s
        if rate is not None and (
            candidate.estimate.overloaded or served == pytest.approx(rate, rel=ROUNDING)
        ):
            load = {}  # found under the offered rate, not in a closed loop with as many in flight
        request = replace(problem.request, workload=replace(asked, **load))
        single = deployment_candidate(replace(problem, request=request), candidate.deployment)
        again, first = single.estimate, candidate.estimate
        for name in ("ttft", "itl", "e2e"):
            expected = getattr(first, name).mean_s
            assert getattr(again, name).mean_s == pytest.approx(expected, rel=BISECTION), name
        for name in ("output_tokens_per_s", "kv_capacity_tokens", "concurrency"):
            assert getattr(again, name) == pytest.approx(getattr(first, name), rel=BISECTION), name
        if not asked.length_spread:
            assert again.bottleneck == first.bottleneck
        assert again.in_domain == first.in_domain


def every_aggregated(problem):
    """All plans times replicas, one at a time through the scalar estimator, under the usual settings."""
    model = problem.engines[0]
    rules = SpaceRules(max_gpus=problem.total_gpus, backend="vllm")
    for plan in plan_space(model.shape, model.device, rules):
        for replicas in range(1, problem.total_gpus // plan.num_gpus + 1):
            worker = Pool(plan=plan, engine=model.engine, replicas=replicas)
            deployment = Aggregated(worker=worker, precision=model.precision)
            try:
                yield deployment_candidate(problem, deployment)
            except InfeasibleError:
                continue


def misses(candidate, slo):
    return max(getattr(candidate.estimate, name[:-2]).mean_s / bound for name, bound in slo.bounds.items())


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B"])
@pytest.mark.parametrize("concurrency", [1, 16, 300])
@pytest.mark.parametrize(
    "slo", [{}, {"itl_s": 0.012}, {"ttft_s": 2.0}, {"itl_s": 0.02, "ttft_s": 1.0}, {"itl_s": 1e-4}]
)
def test_the_choice_is_the_best_of_all(problem_of, model, concurrency, slo):
    """Fewest GPUs that hold the bounds, then throughput per GPU; else the nearest miss. A plain loop over all
    plans and replicas finds the same as the search: the expected best, and the robust choice beside it."""
    problem = problem_of(
        model, modes=("agg",), concurrency=concurrency, isl_tokens=4000, osl_tokens=500, slo=slo, tuning=PLAIN
    )
    everything = list(every_aggregated(problem))
    found = search(problem)
    selected, expected = found.selected, found.expected_best
    holding = [candidate for candidate in everything if candidate.meets_sla]
    assert selected.meets_sla == bool(holding)
    if not holding:
        nearest = min(misses(candidate, problem.request.slo) for candidate in everything)
        assert misses(selected, problem.request.slo) == pytest.approx(nearest, rel=ROUNDING)
        return
    likeliest = max(chance(candidate) for candidate in holding)
    sure = [
        candidate for candidate in holding if chance(candidate) >= SURE_SHARE * likeliest * (1 - ROUNDING)
    ]
    for choice, among in ((expected, holding), (selected, sure)):
        best = min(among, key=lambda c: (c.deployment.num_gpus, -c.estimate.output_tokens_per_s_per_gpu))
        assert choice.deployment.num_gpus == best.deployment.num_gpus
        assert choice.estimate.output_tokens_per_s_per_gpu == pytest.approx(
            best.estimate.output_tokens_per_s_per_gpu, rel=ROUNDING
        )


def chance(candidate):
    """Probability of the SLA; 1 without one."""
    probability = candidate.estimate.sla_probability
    return 1.0 if probability is None else probability


@pytest.mark.parametrize("concurrency", [1, 40])
def test_latency_first_picks_the_fastest(problem_of, concurrency):
    problem = problem_of(
        modes=("agg",),
        concurrency=concurrency,
        isl_tokens=4000,
        osl_tokens=500,
        optimization="latency",
        tuning=PLAIN,
    )
    fastest = min(candidate.estimate.e2e.mean_s for candidate in every_aggregated(problem))
    assert search(problem).selected.estimate.e2e.mean_s == pytest.approx(fastest, rel=ROUNDING)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    model=st.sampled_from(MODELS[:3]), gpus=st.integers(1, 15), more=st.integers(1, 8), slo=bounds,
    lengths=st.fixed_dictionaries(
        {"isl_tokens": st.integers(100, 8000), "osl_tokens": st.integers(10, 1000)}
    ),
)  # fmt: skip
def test_more_gpus_never_give_less(problem_of, model, gpus, more, slo, lengths):
    """Every worker count up to sixteen is tried, so a larger cluster holds whatever a smaller one does."""

    def total(count):
        found = search(problem_of(model, gpus=count, slo=slo, **lengths))
        return found.meets_sla, found.expected_best.estimate.output_tokens_per_s if found.meets_sla else 0.0

    few, many = total(gpus), total(min(gpus + more, 16))
    assert many[0] >= few[0]
    assert many[1] >= few[1] * (1 - BISECTION)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    model=st.sampled_from(MODELS[:3]),
    gpus=st.integers(1, 32),
    bound=st.floats(0.004, 0.1),
    more=st.floats(1, 4),
)
def test_looser_bounds_never_give_less(problem_of, model, gpus, bound, more):
    def total(itl_s):
        found = search(problem_of(model, gpus=gpus, isl_tokens=2000, osl_tokens=300, slo={"itl_s": itl_s}))
        return found.expected_best.estimate.output_tokens_per_s if found.meets_sla else 0.0

    assert total(bound * more) >= total(bound) * (1 - ROUNDING)


@pytest.mark.parametrize(("bound", "label"), [("ttft_s", "TTFT"), ("itl_s", "ITL"), ("e2e_s", "E2E")])
def test_an_unreachable_bound_is_named(problem_of, bound, label):
    found = search(problem_of(concurrency=8, slo={bound: 1e-5}))
    assert found.candidates
    assert not found.meets_sla
    assert not any(candidate.meets_sla for candidate in found.candidates)
    assert re.search(rf"nearest misses {label} with [\d,.]+ ms against 0.01 ms", explanation(found)[1])
    assert found.selected.estimate.sla_probability == pytest.approx(0, abs=1e-6)
    assert any("SLA missed" in rejection.reason for rejection in found.rejected)


def test_a_load_that_cannot_be_sustained_is_said_so(problem_of):
    found = search(problem_of(gpus=1, request_rate_per_s=1000.0, slo={"itl_s": 1.0}))
    assert not found.meets_sla
    assert "overloaded" in " ".join(found.selected.estimate.notes)
    assert "sustains the load" in explanation(found)[1]


def test_a_model_larger_than_the_cluster(problem_of):
    """671e9 bytes in FP8 over two GPUs of 140 GiB: 312 GiB each."""
    with pytest.raises(InfeasibleError) as caught:
        search(problem_of("deepseek-ai/DeepSeek-R1", gpus=2))
    text = str(caught.value)
    assert "does not fit 2 x h200_sxm" in text
    assert "raise hardware.totalGpus" in text
    needed, available = (float(number) for number in re.findall(r"([\d.]+) GiB", text))
    assert needed == pytest.approx(671e9 / 2 / 2**30, rel=0.05)  # and the latent projections twice
    assert available == pytest.approx(140, rel=0.01)


def test_separate_pools_need_two_gpus(problem_of):
    with pytest.raises(InfeasibleError):
        search(problem_of("Qwen/Qwen3-8B", gpus=1, modes=("disagg",)))


@pytest.mark.parametrize("modes", [("agg",), ("disagg",)])
@pytest.mark.parametrize("load", [{}, {"concurrency": 30}, {"request_rate_per_s": 2.0}])
def test_only_the_modes_asked_for(problem_of, modes, load):
    found = search(problem_of(modes=modes, **load))
    assert {candidate.deployment.mode for candidate in found.candidates} == set(modes)


def test_only_the_engine_asked_for_or_all(problem_of):
    named = search(problem_of(backend="sglang", concurrency=30))
    assert {candidate.deployment.backend for candidate in named.candidates} == {"sglang"}
    every = search(problem_of(backend="auto", concurrency=30, options={"limit": 40}))
    assert {candidate.deployment.backend for candidate in every.candidates} == {"vllm", "sglang", "trtllm"}


def test_the_front_trades_speed_for_throughput(problem_of):
    front = search(problem_of(gpus=16, isl_tokens=2000, osl_tokens=500)).pareto
    users = [candidate.estimate.tokens_per_s_per_user for candidate in front]
    gpus = [candidate.estimate.output_tokens_per_s_per_gpu for candidate in front]
    assert len(front) > 5
    assert users == sorted(users)
    assert gpus == sorted(gpus, reverse=True)


def test_what_was_left_out_is_counted(problem_of):
    found = search(problem_of("Qwen/Qwen3-235B-A22B", gpus=16, concurrency=64, slo={"itl_s": 0.02}))
    reasons = {rejection.reason: rejection for rejection in found.rejected}
    small = next(value for key, value in reasons.items() if "do not fit" in key)
    assert small.count >= 3  # 470 GB of weights are too much for one GPU of 150 GB and for two
    counted = [rejection.count for rejection in found.rejected]
    assert counted == sorted(counted, reverse=True)
    assert all(rejection.nearest for rejection in found.rejected)


def test_the_same_question_gets_the_same_answer(problem_of):
    one, two = (search(problem_of(backend="auto", concurrency=64)) for _ in range(2))
    assert one.candidates == two.candidates
    assert explanation(one) == explanation(two)
