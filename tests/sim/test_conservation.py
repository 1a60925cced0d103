"""What holds for any cluster under any load."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from cases import case

from simkit.sim.cluster import simulate, simulate_stream
from simkit.sim.kernel.session import Arena
from simkit.sim.requests import part

SEEDS = range(300)


def arrays(times):
    return {field.name: getattr(times, field.name) for field in fields(times)}


@pytest.mark.parametrize("seed", SEEDS)
def test_requests_time_and_cache_are_conserved(seed):
    cluster, load, concurrency = case(seed)
    arena = Arena(cluster, concurrency=concurrency, seed=seed, unit_tokens=16 if len(load.block_ids) else 0)
    arena.add(load)
    arena.run(last=True)
    used, _ = arena.pages_in_use()
    times = arena.take()
    assert len(times) == len(load) and arena.num_kept == 0
    assert np.array_equal(times.osl_tokens, load.osl_tokens)
    assert np.all(times.sent_s >= load.arrival_s) and np.all(np.diff(times.sent_s) >= 0)
    assert np.all(times.sent_s <= times.start_s)
    assert np.all(times.start_s < times.first_token_s)  # no decode before prefill, no prefill in no time
    assert np.all(times.first_token_s <= times.finished_s)
    assert np.all((times.first_token_s < times.finished_s) == (times.osl_tokens > 1))
    assert used == 0 and np.all(arena.peak_used_frac() <= 1.0)
    assert np.all(times.cached_tokens < times.isl_tokens)
    samples = arena.samples()
    assert np.all(np.diff(samples.time_s) >= 0) and np.all(samples.waiting >= 0)
    assert np.all(samples.used_frac + samples.idle_frac <= 1.0 + 1e-9)
    if concurrency is not None:
        assert in_flight(times).max() <= concurrency


def in_flight(times):
    """Requests in flight after every event; at equal times ends count first."""
    moments = np.concatenate([times.finished_s, times.sent_s])
    change = np.concatenate([-np.ones(len(times)), np.ones(len(times))])
    return np.cumsum(change[np.lexsort((change, moments))])


@pytest.mark.parametrize("seed", range(0, 300, 3))
def test_skipping_ahead_is_stepping(seed):
    """Save for rounding: sums of up to a few thousand steps, in another order."""
    cluster, load, concurrency = case(seed)
    skipped = simulate(cluster, load, concurrency=concurrency, seed=seed)
    stepped = simulate(cluster, load, concurrency=concurrency, seed=seed, stepping=True)
    assert skipped.num_steps == stepped.num_steps
    for name, values in arrays(skipped.times).items():
        np.testing.assert_allclose(values, getattr(stepped.times, name), rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_the_same_seed_gives_the_same_bytes(seed):
    cluster, load, concurrency = case(seed)
    one, two = (simulate(cluster, load, concurrency=concurrency, seed=seed).times for _ in range(2))
    for name, values in arrays(one).items():
        assert values.tobytes() == getattr(two, name).tobytes(), name


@pytest.mark.parametrize("seed", range(0, 300, 5))
def test_in_pieces_as_in_one(seed):
    cluster, load, concurrency = case(seed, speculation=False)
    whole = simulate(cluster, load, concurrency=concurrency).times
    edges = [0, 7, 8, 30, len(load)]
    batches = (part(load, first, stop) for first, stop in pairwise(edges))
    pieces = list(simulate_stream(cluster, batches, concurrency=concurrency))
    sent = np.concatenate([piece.sent_s for piece in pieces])
    assert len(sent) == len(load)
    for name, values in arrays(whole).items():
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        assert sorted(joined.tolist()) == sorted(values.tolist()), name


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_littles_law(seed):
    """Mean requests in flight over the run are rate times mean latency, counted two ways."""
    cluster, load, concurrency = case(seed)
    times = simulate(cluster, load, concurrency=concurrency, seed=seed).times
    moments = np.sort(np.concatenate([times.finished_s, times.sent_s]))
    span = moments[-1] - moments[0]
    mean = float(np.sum(in_flight(times)[:-1] * np.diff(moments))) / span
    latency = times.finished_s - times.sent_s
    assert mean == pytest.approx(len(times) / span * latency.mean(), rel=1e-9)


def test_true_output_lengths_are_invisible_until_they_end():
    """Until the first request ends, another length of those still running changes nothing."""
    for seed in range(40):
        cluster, load, _ = case(seed, speculation=False)
        pools = tuple(_declaring(pool, 100) for pool in cluster.pools)
        cluster = type(cluster)(pools=pools, handover=cluster.handover, router=cluster.router)
        longer = type(load)(**{**arrays(load), "osl_tokens": load.osl_tokens + 7})
        short, long = simulate(cluster, load).times, simulate(cluster, longer).times
        seen = short.start_s < short.finished_s.min()
        assert np.array_equal(short.start_s[seen], long.start_s[seen])


def _declaring(pool, tokens):
    from dataclasses import replace

    return replace(pool, policy=pool.policy.changed(declared_tokens=tokens))
