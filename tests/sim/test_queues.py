"""Degenerate engines are queues with known answers: one request at a time, no decodes."""

import numpy as np
import pytest
from sim_engines import cluster_of, load_of, table_of

from simkit.sim.cluster import simulate

COUNT = 100_000
UNIT_S = 1e-5  # of service per prompt token: 100 tokens or more in the mean, so whole tokens do not show


def mean_wait_s(service_s, rho, seed):
    """Mean time from arrival to start under Poisson arrivals at load rho."""
    rng = np.random.default_rng(seed)
    tokens = np.maximum(np.round(service_s / UNIT_S), 1).astype(np.int64)
    arrival = np.cumsum(rng.exponential(tokens.mean() * UNIT_S / rho, len(tokens)))
    cluster = cluster_of(table_of(per_token=UNIT_S), max_seqs=1, token_budget=1 << 30)
    times = simulate(cluster, load_of(tokens, np.ones_like(tokens), arrival)).times
    return float(np.mean(times.start_s - times.sent_s)), tokens * UNIT_S


def pollaczek_khinchine_s(service_s, rho):
    """W = rho / (1 - rho) * E[S^2] / (2 E[S])."""
    return rho / (1 - rho) * np.mean(service_s**2) / (2 * np.mean(service_s))


@pytest.mark.parametrize("kind", ["M/M/1", "M/D/1", "M/G/1"])
def test_waiting_is_that_of_the_queue(kind):
    """Within 4 %: three standard errors of so many correlated waits at load 0.6."""
    rho = 0.6
    rng = np.random.default_rng(7)
    service = {
        "M/M/1": rng.exponential(0.02, COUNT),
        "M/D/1": np.full(COUNT, 0.02),
        "M/G/1": rng.choice([0.005, 0.05], COUNT, p=[0.7, 0.3]),
    }[kind]
    found, served = mean_wait_s(service, rho, seed=11)
    assert found == pytest.approx(pollaczek_khinchine_s(served, rho), rel=0.04)
    if kind == "M/M/1":
        assert found == pytest.approx(rho / (1 - rho) * 0.02, rel=0.05)


def test_a_saturated_engine_serves_at_capacity():
    """100 slots on an engine that takes 4 sequences: batches of 4 prompts (4 ms) and 9 steps of 10 ms."""
    times = simulate(cluster_of(max_seqs=4), load_of([1] * 4000, [10] * 4000), concurrency=100).times
    assert len(times) / times.finished_s.max() == pytest.approx(4 / 0.094, rel=0.01)


def test_speculation_shortens_outputs_by_its_acceptance():
    """Acceptance 0.5 of 2 drafts: 1.75 tokens a step in the mean."""
    from simkit.sim.policy import Speculation

    drafts = Speculation(draft_tokens=2, acceptance_frac=0.5)
    load = load_of([16] * 2000, [701] * 2000)
    times = simulate(cluster_of(speculation=drafts), load, concurrency=1).times
    steps = (times.finished_s - times.first_token_s) / 0.010
    assert drafts.tokens_per_step == 1.75
    assert steps.mean() == pytest.approx(400, rel=0.005)
    assert steps.std() > 5  # chance decides
