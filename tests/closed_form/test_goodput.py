"""The share of requests that keep every bound, against drawn requests and by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from simkit.closed_form.percentiles import goodput_share
from simkit.core.errors import InputError
from simkit.core.estimate import Recommendation
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.search.search import search

DRAWN = 0.005  # three standard deviations of a share of 100,000 draws


def served(ttft=1.0, itl=0.02, wait=0.5, share=0.3, batch=4.0, osl=100):
    return SimpleNamespace(
        ttft_s=ttft, itl_s=itl, e2e_s=ttft + (osl - 1) * itl, waiting_s=wait, prefill_share=share, batch=batch
    )


def test_by_hand():
    # Half a second of service; waits above 0.5 s come with exp(-1), above 1.5 s with exp(-3).
    assert goodput_share(served(), Slo(ttft_s=1.0)) == pytest.approx(1 - np.exp(-1))
    assert goodput_share(served(), Slo(ttft_s=2.0)) == pytest.approx(1 - np.exp(-3))
    assert goodput_share(served(), Slo(ttft_s=0.4)) == 0
    assert goodput_share(served(), Slo(itl_s=0.02)) == pytest.approx(0.5)
    # One standard deviation: 0.02 * 0.3 / 2 = 3 ms
    assert goodput_share(served(), Slo(itl_s=0.023)) == pytest.approx(0.8413, abs=1e-4)
    assert goodput_share(served(), Slo()) == 1


def test_what_never_varies_keeps_its_bound_or_breaks_it():
    steady = served(wait=0.0, share=0.0)
    assert goodput_share(steady, Slo(ttft_s=1.0, itl_s=0.02)) == 1
    assert goodput_share(steady, Slo(ttft_s=0.99)) == 0
    assert goodput_share(steady, Slo(itl_s=0.0199)) == 0


def test_whoever_waits_for_ever_keeps_nothing():
    assert goodput_share(served(ttft=np.inf, wait=np.inf), Slo(ttft_s=10.0)) == 0
    assert goodput_share(served(ttft=np.inf, wait=np.inf), Slo(e2e_s=10.0)) == 0


@pytest.mark.parametrize(
    "bounds",
    [
        {"e2e_s": 3.2},
        {"e2e_s": 2.5, "itl_s": 0.019},
        {"ttft_s": 1.1, "e2e_s": 3.0},
        {"ttft_s": 1.1, "itl_s": 0.021, "e2e_s": 3.1},
        {"ttft_s": 1.1, "itl_s": 0.021},
    ],
)
def test_drawn_requests_agree(bounds):
    rng, load = np.random.default_rng(7), served()
    ttft = load.ttft_s - load.waiting_s + rng.exponential(load.waiting_s, 100_000)
    spread = load.itl_s * load.prefill_share / np.sqrt(load.batch)
    itl = rng.normal(load.itl_s, spread, 100_000)
    drawn = {"ttft_s": ttft, "itl_s": itl, "e2e_s": ttft + 99 * itl}
    kept = np.all([drawn[name] <= bound for name, bound in bounds.items()], axis=0)
    assert goodput_share(load, Slo(**bounds)) == pytest.approx(kept.mean(), abs=DRAWN)


def test_arrays_and_single_loads_agree():
    columns = {"ttft_s": [1.0, 2.0], "itl_s": [0.02, 0.01], "waiting_s": [0.5, 1.9]}
    many = SimpleNamespace(
        **{name: np.array(value) for name, value in columns.items()},
        batch=np.array([4.0, 9.0]),
        prefill_share=np.array([0.3, 0.1]),
        e2e_s=np.array([2.98, 2.99]),
    )
    slo = Slo(ttft_s=2.0, itl_s=0.021, e2e_s=3.5)
    for row, share in enumerate(goodput_share(many, slo)):
        one = SimpleNamespace(**{name: getattr(many, name)[row] for name in vars(many)})
        assert goodput_share(one, slo) == pytest.approx(share)


def test_goodput_is_shown_and_can_be_asked_for(problem_of):
    bounds = {"ttft_s": 2.0, "itl_s": 0.03}
    plain, good = (
        search(problem_of(gpus=8, concurrency=64, slo=bounds, optimization=asked))
        for asked in (None, "goodput")
    )
    for found in (plain, good):
        assert_bounded(found)
    holding = [item for item in good.candidates if item.meets_sla]
    assert good.meets_sla
    assert good.expected_best.estimate.goodput_per_s >= max(i.estimate.goodput_per_s for i in holding) * 0.98


def assert_bounded(found: Recommendation):
    for item in found.candidates:
        assert 0 <= item.estimate.goodput_per_s <= item.estimate.request_rate_per_s


def test_without_bounds_there_is_no_goodput(problem_of):
    assert search(problem_of(gpus=4)).selected.estimate.goodput_per_s is None
    with pytest.raises(InputError, match="requests that keep the SLA"):
        Request(model="m", optimization="goodput", hardware=Hardware(gpu="h200_sxm"))
