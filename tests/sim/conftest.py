"""Times of requests as any simulator could give them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from simkit.sim.requests import RequestTimes

sys.path.append(str(Path(__file__).parent))  # sim_engines


def make_times(rng, count, *, rate_per_s=5.0):
    """Requests whose stages follow each other in order, of random lengths, some of one token."""
    sent = np.cumsum(rng.exponential(1 / rate_per_s, count))
    start = sent + rng.exponential(0.2, count) * (rng.random(count) < 0.7)
    first = start + rng.uniform(0.01, 0.5, count)
    osl = rng.integers(1, 200, count)
    finished = first + (osl - 1) * rng.uniform(0.005, 0.02, count)
    return RequestTimes(
        sent_s=sent,
        start_s=start,
        first_token_s=first,
        finished_s=finished,
        isl_tokens=rng.integers(1, 4000, count),
        osl_tokens=osl,
        cached_tokens=rng.integers(0, 2, count) * 16,
        preemptions=rng.integers(0, 2, count),
        replica=rng.integers(0, 3, count),
    )


@pytest.fixture
def times():
    return make_times(np.random.default_rng(3), 3000)
