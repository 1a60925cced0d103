"""What counts as measured, and how much wider the interval of what is not."""

import pytest

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
    assert home.covers(home.engines[0])
    assert not away.covers(away.engines[0])


@pytest.mark.parametrize("metric", ["ttft", "itl", "e2e"])
def test_its_intervals_are_wider_at_the_same_uncertainty(home, metric):
    model = home.errors[metric]
    low, high = model.interval(1.0)
    far_low, far_high = model.beyond().interval(1.0)
    assert far_low <= low < 1 < high <= far_high
    assert far_high / far_low > high / low
