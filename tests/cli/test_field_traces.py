"""Traces as people have them: seconds, short blocks, conversations."""

import json
from pathlib import Path

import numpy as np
import pytest

from simkit.core.request import Hardware, Request
from simkit.formats.traces.read import TraceOptions, read_trace
from simkit.verbs.estimate import Layouts
from simkit.verbs.loads import LoadOptions
from simkit.verbs.simulate import SimulateOptions, simulate

FIELD = Path(__file__).resolve().parents[1] / "fixtures" / "field"


def test_seconds_and_blocks_of_sixteen_tokens():
    trace = read_trace(FIELD / "m20_bailian.jsonl", TraceOptions(block_tokens=16))
    arrivals = trace.requests.arrival_s
    assert (trace.malformed, float(arrivals[-1])) == (0, 118.0)
    assert len(arrivals) / 118.0 == pytest.approx(0.5, rel=0.03)


def test_later_turns_come_their_delay_after_the_answer():
    """Service times are a second or so, and the delay is two."""
    options = SimulateOptions(load=LoadOptions(trace=FIELD / "m36_sessions.jsonl"))
    request = Request(model="Qwen/Qwen3-8B", hardware=Hardware(gpu="h200_sxm", total_gpus=1))
    found = simulate(request, Layouts(worker="tp1"), options)
    times, trace = found.run.times, read_trace(FIELD / "m36_sessions.jsonl")
    assert len(times) == 6
    order = np.argsort(found.load.recorded.arrival_s, kind="stable")
    assert list(order) == sorted(order)
    firsts, seconds = times.isl_tokens == 500, times.isl_tokens == 300
    gaps = np.sort(times.sent_s[seconds]) - np.sort(times.finished_s[firsts])
    assert gaps == pytest.approx(2.0, abs=0.01)
    assert list(trace.after[trace.after >= 0]) == [
        0,
        1,
        3,
    ]  # the first second turn is sent before the third session


def test_a_turn_without_a_beginning_is_told(tmp_path):
    path = tmp_path / "t.jsonl"
    lines = [
        {"timestamp": 0, "input_length": 5, "output_length": 5},
        {"session_id": "x", "delay": 1, "input_length": 5, "output_length": 5},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    trace = read_trace(path)
    assert (len(trace.requests), trace.malformed) == (1, 1)
    assert "no turn before it" in trace.fault_lines[0]
