"""What counts as measured, and how much wider the interval of what is not."""

import pytest

from simkit.search.search import search

MEASURED, UNMEASURED = "meta-llama/Llama-3.3-70B-Instruct", "google/gemma-3-27b-it"


@pytest.fixture(scope="module")
def home(problem_of):
    return problem_of(MEASURED, gpu="h100_sxm")


def test_a_family_that_nobody_measured_is_out_of_domain(problem_of, home):
    """Dense models by vLLM on H100 were measured; this dense family was not."""
    away = problem_of(UNMEASURED, gpu="h100_sxm")
    places = [
        (e.device.name, e.engine.backend, e.shape.architecture_class) for p in (home, away) for e in p.engines
    ]
    assert places[0] == places[1]
    assert home.footing(home.engines[0], 8).measured
    assert not away.footing(away.engines[0], 8).measured


def test_engines_wider_than_any_measured_one_are_out_of_domain(home):
    """The widest measured engine has eight GPUs; what its runs tell of doubt does not hold for 16."""
    rests = home.footing(home.engines[0], [1.0, 8.0, 16.0])
    assert rests.measured.tolist() == [True, True, False]
    assert rests.unaware.tolist() == [False, False, True]


@pytest.mark.parametrize("metric", ["ttft", "itl"])
def test_its_intervals_are_wider(problem_of, metric):
    load = {"gpu": "h100_sxm", "gpus": 4, "modes": ("agg",), "concurrency": 16}
    home, away = (search(problem_of(name, **load)).selected.estimate for name in (MEASURED, UNMEASURED))
    assert (home.in_domain, away.in_domain) == (True, False)
    known, guessed = getattr(home, metric), getattr(away, metric)
    assert guessed.hi_s / guessed.lo_s > known.hi_s / known.lo_s
