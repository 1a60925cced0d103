"""Runs that are kept and runs that are summed up on the way say the same."""

import json
from dataclasses import replace

import numpy as np
import pytest

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit import simulate
from simkit.core.deployment import Aggregated, Pool
from simkit.core.errors import InputError
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.sim.load.arrivals import chunks
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.results.statistics import RELATIVE_ERROR
from simkit.verbs import loads
from simkit.verbs.estimate import Layouts
from simkit.verbs.loads import LoadOptions
from simkit.verbs.simulate import SimulateOptions
from simkit.verbs.simulation_document import simulation_document

REQUEST = Request(
    model="Qwen/Qwen3-32B-FP8",
    hardware=Hardware(gpu="h200_sxm"),
    workload=Workload(isl_tokens=600, osl_tokens=40, concurrency=8, length_spread=0.5),
    slo=Slo(ttft_s=0.1),
)
AT_A_RATE = replace(REQUEST, workload=Workload(isl_tokens=600, osl_tokens=40, request_rate_per_s=20))


REQUEST_PRECISION = Precision(gemm="fp8_block", moe="fp8_block")


def both(monkeypatch, request, load, *, deployment=None, size=50):
    """The same run kept, and in pieces of `size` requests."""
    monkeypatch.setattr(loads, "chunks", lambda load, rng, _: chunks(load, rng, size))
    whole = SimulateOptions(load=load, seed=5)
    pieces = replace(whole, keep_requests=1)
    return simulate(request, deployment, whole), simulate(request, deployment, pieces)


@pytest.mark.parametrize("request_", [REQUEST, AT_A_RATE], ids=["closed", "open"])
@pytest.mark.parametrize("warmup", [0, 70])
def test_in_pieces_as_at_once(monkeypatch, request_, warmup):
    load = LoadOptions(requests=400, warmup=warmup, prefixes=SharedPrefixes(system_tokens=128))
    whole, pieces = both(monkeypatch, request_, load)
    assert whole.run.times is not None
    assert pieces.run.times is None
    exact, sketched = whole.run.summary, pieces.run.summary
    for name in ("requests", "isl_tokens", "osl_tokens", "cached_tokens", "good_requests"):
        assert getattr(sketched, name) == getattr(exact, name), name
    assert sketched.duration_s == pytest.approx(exact.duration_s, rel=1e-12)
    for name, values in exact.distributions.items():
        found = sketched.distributions[name]
        assert found.mean == pytest.approx(values.mean, rel=1e-9), name
        assert found.percentiles[99] == pytest.approx(values.percentiles[99], rel=1.01 * RELATIVE_ERROR)
    assert pieces.run.timeline.decoding == pytest.approx(whole.run.timeline.decoding, abs=1e-6)
    assert (pieces.run.warmup is None) == (whole.run.warmup is None) == (warmup == 0)
    if warmup:
        assert pieces.run.warmup.requests == whole.run.warmup.requests == 70


def test_a_warm_up_fills_caches_and_nothing_else():
    load = LoadOptions(requests=200, warmup=8, prefixes=SharedPrefixes(system_tokens=256))
    cold = simulate(REQUEST, options=SimulateOptions(load=replace(load, warmup=0)))
    warm = simulate(REQUEST, options=SimulateOptions(load=load))
    assert warm.run.times.cached_tokens[8:].min() == 256  # from the first counted request on
    assert cold.run.times.cached_tokens.min() == 0
    assert warm.run.times.sent_s[8] >= warm.run.times.finished_s[:8].max()


def test_a_seamless_warm_up_does_not_wait():
    load = LoadOptions(requests=100, warmup=8, seamless=True)
    times = simulate(REQUEST, options=SimulateOptions(load=load)).run.times
    assert times.sent_s[8] == times.finished_s[:8].min()
    with pytest.raises(InputError, match="drop --seamless-warmup"):
        simulate(REQUEST, options=SimulateOptions(load=load, keep_requests=10))


def test_requests_too_long_for_the_engine_are_left_out_and_counted(tmp_path):
    path = tmp_path / "trace.jsonl"
    rows = [{"timestamp": 100 * i, "input_length": 500, "output_length": 5} for i in range(30)]
    rows[4]["input_length"] = rows[7]["output_length"] = 10**8
    path.write_text("\n".join(map(json.dumps, rows)))
    asked = replace(REQUEST, workload=Workload())
    found = simulate(asked, options=SimulateOptions(load=LoadOptions(trace=path)))
    assert (found.run.refused, found.run.summary.requests) == (2, 28)
    path.write_text(json.dumps(rows[4]))
    with pytest.raises(InputError, match="0 of 1 requests fit into an engine"):
        simulate(asked, options=SimulateOptions(load=LoadOptions(trace=path)))


def test_an_engines_own_limit_counts_in_pieces_too(monkeypatch):
    engine = default_engine("vllm", max_model_len=700)
    chosen = Aggregated(worker=Pool(plan=ParallelPlan(), engine=engine), precision=REQUEST_PRECISION)
    load = LoadOptions(requests=300, warmup=60, length_cv=0.4)
    asked = replace(AT_A_RATE, hardware=Hardware(gpu="h200_sxm", total_gpus=8))
    whole, pieces = both(monkeypatch, asked, load, deployment=chosen)
    lengths = whole.run.times.isl_tokens + whole.run.times.osl_tokens
    assert lengths.max() <= 700
    assert whole.run.refused == pieces.run.refused == 360 - len(whole.run.times) > 20
    assert pieces.run.summary.requests == whole.run.summary.requests
    assert pieces.run.summary.duration_s == pytest.approx(whole.run.summary.duration_s, rel=1e-12)
    assert any(
        "longer than an engine takes" in note for note in simulation_document(whole)["simkit"]["notes"]
    )


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_shared_prefixes_fit_the_pages_of_every_engine(backend):
    load = LoadOptions(
        requests=40, prefixes=SharedPrefixes(system_tokens=100, prefix_tokens=100, num_prefixes=3)
    )
    found = simulate(
        replace(REQUEST, backend=backend),
        Layouts(prefill="1xtp1", decode="1xtp1"),
        SimulateOptions(load=load),
    )
    cached = found.run.times.cached_tokens
    assert set(np.unique(cached)) <= {0, 96, 192}
    assert cached.max() == 192


def test_more_replicas_serve_more(monkeypatch):
    one, four = (
        simulate(AT_A_RATE, options=SimulateOptions(load=LoadOptions(requests=300), replicas=count))
        for count in (1, 4)
    )
    assert four.run.summary.distributions["ttft_s"].mean < one.run.summary.distributions["ttft_s"].mean
    assert set(four.run.times.replica) == {0, 1, 2, 3}
