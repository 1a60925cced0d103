"""Predicted against measured: signs, intervals, bounds, and what spoils a comparison."""

from dataclasses import replace

import pytest

from simkit.compare.comparison import Band, Predicted, compare
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.measured import MeasuredSpread, Run, ServerSide, Source
from simkit.core.workload import Workload

RUN = Run(
    source=Source(tool="aiperf", path="run"),
    isl_tokens=1000, osl_tokens=100, concurrency=8, num_requests=80,
    ttft=MeasuredSpread(mean_s=0.100), itl=MeasuredSpread(mean_s=0.010),
    e2e=MeasuredSpread(mean_s=1.090), output_tokens_per_s=700.0,
)  # fmt: skip
PREDICTED = Predicted(
    workload=Workload(isl_tokens=1000, osl_tokens=100, concurrency=8),
    bands={
        "ttft": Band(mean=0.120, lo=0.090, hi=0.150),
        "itl": Band(mean=0.008, lo=0.007, hi=0.009),
        "output_tokens_per_s": Band(mean=770.0),
    },
)


def row(comparison, metric):
    return next(item for item in comparison.rows if item.metric == metric)


def test_errors_are_signed_and_intervals_decide():
    comparison = compare(PREDICTED, RUN)
    assert row(comparison, "ttft").error_frac == pytest.approx(0.2)  # too high
    assert row(comparison, "itl").error_frac == pytest.approx(-0.2)  # too low
    assert [item.inside for item in comparison.rows] == [True, False, None]
    assert [item.within for item in comparison.rows] == [True, False, True]
    assert not comparison.within
    assert comparison.remarks == ()


def test_bounds_of_ones_own_come_before_the_interval():
    comparison = compare(PREDICTED, RUN, {"itl": 0.25, "ttft": 0.1, "output_tokens_per_s": 0.05})
    assert [item.within for item in comparison.rows] == [False, True, False]
    with pytest.raises(UnknownNameError, match="itl"):
        compare(PREDICTED, RUN, {"itk": 0.1})


def test_the_servers_numbers_stand_beside():
    run = replace(RUN, server=ServerSide(ttft_s=0.050, itl_s=0.0099))
    comparison = compare(PREDICTED, run)
    assert (row(comparison, "ttft").server, row(comparison, "itl").server) == (0.050, 0.0099)
    assert "add 50 ms" in comparison.remarks[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"isl_tokens": 1100}, "ISL differs: 1000 predicted for, 1100 measured"),
        ({"concurrency": 16}, "concurrency differs"),
        ({"concurrency": None, "request_rate_per_s": 5.0}, "measured under arrivals at a rate"),
        ({"num_errors": 20}, "20 of 100 requests failed"),
        ({"complete": False}, "cut off"),
        ({"osl_off_frac": -0.3}, "output lengths are -30%"),
        ({"client_delay_s": 0.02}, "short of CPU"),
        ({"icl": MeasuredSpread(mean_s=0.020)}, "2.00 tokens per chunk"),
        ({"notes": ("a burst",)}, "a burst"),
    ],
)
def test_what_spoils_a_comparison_is_said(change, said):
    assert any(said in remark for remark in compare(PREDICTED, replace(RUN, **change)).remarks)


def test_small_differences_are_none():
    run = replace(
        RUN, isl_tokens=1010, client_delay_s=0.001, icl=MeasuredSpread(mean_s=0.0101), osl_off_frac=0.01
    )
    assert compare(PREDICTED, run).remarks == ()


def test_spread_lengths_have_lower_means():
    workload = replace(PREDICTED.workload, isl_tokens=1000 / 0.9, osl_tokens=100 / 0.9, length_spread=0.2)
    assert compare(replace(PREDICTED, workload=workload), RUN).remarks == ()


def test_nothing_to_compare_is_an_error():
    empty = replace(
        RUN, ttft=MeasuredSpread(), itl=MeasuredSpread(), e2e=MeasuredSpread(), output_tokens_per_s=None
    )
    with pytest.raises(InputError, match="streaming"):
        compare(PREDICTED, empty)
