"""Small spaces in full: a plain loop over the scalar estimator finds what the search finds.

Every plan, count of workers, token budget, cache format and draft is estimated on its own, one at a time.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.core import request
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.draft import Draft
from simkit.core.errors import InfeasibleError
from simkit.core.request import Tuning
from simkit.engines.support import draft_refusal
from simkit.search.candidates import sized_engine
from simkit.search.engine_settings import variants
from simkit.search.picking import SURE_SHARE, TIE
from simkit.search.search import search
from simkit.search.space import SpaceRules, plan_space

BISECTION = 1e-6  # loops are solved by halving, whole tables to the same depth as one row
MODELS = ("meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B")
DRAFT = Draft(method="ngram", tokens=3, acceptance=0.6)


def random_problem(problem_of, seed):
    """A small question: mode, engine, load, SLA and what is left open all by chance."""
    rng = np.random.default_rng(seed)
    mode = ("agg", "disagg")[seed % 2]
    open_settings = rng.random() < 0.5
    gpus = int(rng.integers(2, 4 if open_settings else 5)) if mode == "disagg" else int(rng.integers(1, 9))
    load = {"concurrency": int(rng.integers(1, 200))}
    if rng.random() < 0.3:
        load = {"request_rate_per_s": float(rng.uniform(0.1, 4.0))}
    slo = {}
    if rng.random() < 0.7:
        slo["itl_s"] = float(rng.uniform(0.004, 0.04))
    if rng.random() < 0.7:
        slo["ttft_s"] = float(rng.uniform(0.1, 4.0))
    problem = problem_of(
        MODELS[int(rng.integers(0, 2 if open_settings or mode == "disagg" else 3))],
        gpus=gpus,
        backend=("vllm", "sglang", "trtllm")[int(rng.integers(3))],
        modes=(mode,),
        slo=slo,
        optimization=(None, "latency")[int(rng.random() < 0.3)],
        isl_tokens=int(rng.integers(200, 9000)),
        osl_tokens=int(rng.integers(20, 800)),
        **load,
    )
    asked = Tuning(max_num_batched_tokens=None if open_settings else 8192)
    if rng.random() < 0.3:
        asked = replace(asked, draft=DRAFT)
    if rng.random() < 0.3:
        asked = replace(asked, max_num_seqs=int(rng.integers(2, 60)))
        plain = problem.engines[0]
        capped = replace(plain.engine, max_num_seqs=asked.max_num_seqs)
        problem = replace(problem, engines=(replace(plain, engine=capped),))
    if rng.random() < 0.3 and mode == "agg" and problem.precision.kv == "bf16":
        problem = replace(problem, kv_formats={problem.engines[0].engine.backend: ("fp8",)})
    return replace(problem, request=replace(problem.request, tuning=asked))


def every_deployment(problem):
    """(settings are the usual ones, deployment) of all there are."""
    (model,) = problem.engines
    rules = SpaceRules(max_gpus=problem.total_gpus, backend=model.engine.backend)
    plans = plan_space(model.shape, model.device, rules)
    tried = variants(problem, model)
    for group in tried.groups:
        if "agg" in problem.request.modes:
            for one, plan in itertools.product(group, plans):
                if one.engine.draft and draft_refusal(one.engine.backend, one.engine.draft, plan):
                    continue
                for count in range(1, problem.total_gpus // plan.num_gpus + 1):
                    worker = Pool(plan=plan, engine=one.engine, replicas=count)
                    yield one is model_of(tried), Aggregated(worker=worker, precision=one.precision)
            continue
        sides = list(itertools.product(group, plans))
        for (first, wide), (second, other) in itertools.product(sides, sides):
            usual = first is second is model_of(tried)
            for count in range(1, (problem.total_gpus - other.num_gpus) // wide.num_gpus + 1):
                left = problem.total_gpus - count * wide.num_gpus
                for others in range(1, left // other.num_gpus + 1):
                    yield (
                        usual,
                        Disaggregated(
                            prefill=Pool(plan=wide, engine=first.engine, replicas=count),
                            decode=Pool(plan=other, engine=second.engine, replicas=others),
                            precision=first.precision,
                        ),
                    )


def model_of(tried):
    return tried.models[0]


def every_candidate(problem):
    for usual, deployment in every_deployment(problem):
        try:
            yield usual, deployment_candidate(problem, deployment)
        except InfeasibleError:
            continue


def worth(problem, usual, candidate):
    """Lower is better: the objective, where settings other than the usual must promise TIE more."""
    estimate, share = candidate.estimate, 1.0 if usual else 1.0 - TIE
    if problem.request.optimization == "latency":
        return (estimate.e2e.mean_s / share,)
    return (candidate.deployment.num_gpus, -estimate.output_tokens_per_s_per_gpu * share)


def misses(candidate, slo):
    return max(getattr(candidate.estimate, name[:-2]).mean_s / bound for name, bound in slo.bounds.items())


def overloaded(candidate):
    return candidate.estimate.overloaded


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_the_search_is_the_best_of_all(problem_of, monkeypatch, seed):
    monkeypatch.setattr(request, "TOKEN_BUDGETS", (2048, 8192))
    problem = random_problem(problem_of, seed)
    everything = list(every_candidate(problem))
    if not everything:
        with pytest.raises(InfeasibleError):
            search(problem)
        return
    found = search(problem)
    holding = [item for item in everything if item[1].meets_sla]
    assert found.meets_sla == bool(holding)
    if not holding:
        assert_nearest(problem, [item for _, item in everything], found.selected)
        return
    likeliest = max(chance(item) for _, item in holding)
    sure = [item for item in holding if chance(item[1]) >= SURE_SHARE * likeliest * (1 - BISECTION)]
    for choice, among in ((found.expected_best, holding), (found.selected, sure)):
        best = min(worth(problem, *item) for item in among)
        usual = any(same_settings(choice, item) for plain, item in among if plain)
        assert worth(problem, usual, choice) == pytest.approx(best, rel=BISECTION)


def assert_nearest(problem, everything, selected):
    """The nearest miss, or where nothing sustains the load what sustains most of it."""
    running = [item for item in everything if not overloaded(item)]
    if running:
        nearest = min(misses(item, problem.request.slo) for item in running)
        assert misses(selected, problem.request.slo) == pytest.approx(nearest, rel=BISECTION)
    else:
        most = max(item.estimate.request_rate_per_s for item in everything)
        assert selected.estimate.request_rate_per_s == pytest.approx(most, rel=BISECTION)


def same_settings(one, other):
    """Whether two deployments differ at most in the limits that are sized after the search."""

    def plain(candidate):
        return [
            (pool.plan, pool.replicas, pool.engine.max_num_batched_tokens, pool.engine.draft)
            for pool in candidate.deployment.pools
        ] + [candidate.deployment.precision]

    return plain(one) == plain(other)


def chance(candidate):
    """Probability of the SLA; 1 without one."""
    probability = candidate.estimate.sla_probability
    return 1.0 if probability is None else probability


def test_sizing_never_exceeds_what_was_asked(problem_of):
    (model,) = problem_of("Qwen/Qwen3-8B").engines
    capped = replace(model.engine, max_num_seqs=5)
    assert sized_engine(capped, 4.0).max_num_seqs == 5
    assert sized_engine(replace(capped, max_num_seqs=100), 90.0).max_num_seqs == 100
