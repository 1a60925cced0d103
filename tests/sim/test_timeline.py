"""Timelines hold exact averages, whatever the bins and the pieces."""

import numpy as np
import pytest

from simkit.sim.requests import times_part
from simkit.sim.results.timeline import TimelineBuilder


def built(times, size):
    builder = TimelineBuilder()
    for start in range(0, len(times), size):
        builder.add(times_part(times, start, start + size))
    return builder.timeline()


def test_areas_are_the_time_spent(times):
    found = built(times, len(times))
    area = {name: np.sum(values) * found.width_s for name, values in found.columns().items()}
    assert area["queued"] == pytest.approx(np.sum(times.start_s - times.sent_s))
    assert area["prefilling"] == pytest.approx(np.sum(times.first_token_s - times.start_s))
    assert area["decoding"] == pytest.approx(np.sum(times.finished_s - times.first_token_s))
    assert area["sent_per_s"] == pytest.approx(len(times))
    assert area["finished_per_s"] == pytest.approx(len(times))
    assert area["output_tokens_per_s"] == pytest.approx(np.sum(times.osl_tokens))


def test_every_bin_is_the_average_over_its_time(times):
    found = built(times, len(times))
    assert 512 <= len(found.queued) <= 1024
    for place in (0, 100, 333):
        begin, end = place * found.width_s, (place + 1) * found.width_s
        inside = np.clip(times.finished_s, begin, end) - np.clip(times.first_token_s, begin, end)
        assert found.decoding[place] == pytest.approx(np.sum(inside) / found.width_s, abs=1e-9)
        rate = (times.osl_tokens - 1) / np.maximum(times.finished_s - times.first_token_s, 1e-300)
        first = np.sum((times.first_token_s >= begin) & (times.first_token_s < end))
        tokens = (np.sum(rate * inside) + first) / found.width_s
        assert found.output_tokens_per_s[place] == pytest.approx(tokens, abs=1e-6)
        sent = (times.sent_s >= begin) & (times.sent_s < end)
        assert found.ttft_s[place] == pytest.approx(np.mean(times.ttft_s[sent]), nan_ok=True)


@pytest.mark.parametrize("size", [1, 37, 1000])
def test_pieces_make_the_same_timeline(times, size):
    whole, pieces = built(times, len(times)), built(times, size)
    for name, values in whole.columns().items():
        assert pieces.columns()[name] == pytest.approx(values, abs=1e-7, nan_ok=True), name


def test_nothing_is_an_empty_timeline(times):
    builder = TimelineBuilder()
    builder.add(times_part(times, 0, 0))
    found = builder.timeline()
    assert found.queued.tolist() == [0.0]
    assert np.isnan(found.ttft_s).all()


def test_samples_are_held_until_the_next(times):
    found = built(times, len(times))
    end = found.time_s[-1]
    held = found.held(np.array([0.25, 0.5]) * end, np.array([1.0, 2.0]))
    middle = found.time_s + found.width_s / 2
    assert np.isnan(held[middle < 0.25 * end]).all()
    assert np.all(held[(middle >= 0.25 * end) & (middle < 0.5 * end)] == 1.0)
    assert np.all(held[middle >= 0.5 * end] == 2.0)
