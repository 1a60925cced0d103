"""Numbers and names as people read them."""

import pytest

from simkit.reports.labels import (
    ascii_text,
    interval,
    layout_label,
    number,
    one_line,
    percent,
    si,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234, "0.0123"), (0.9996, "1.00"), (3.14159, "3.14"), (9.996, "10.0"), (48.21, "48.2"),
        (99.96, "100"), (310.4, "310"), (123456.7, "123,457"), (30, "30"), (0.0, "0"), (-5.5, "-5.50"),
        (None, "-"), (float("nan"), "-"), (float("inf"), "-"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


def test_percent():
    assert percent(0.934) == "93%"
    assert percent(-0.05, signed=True) == "-5%"
    assert percent(None) == "-"


def test_si():
    assert [si(value) for value in (32.8e9, 262_144, 1.2e12, 7.0)] == ["32.8G", "262k", "1.20T", "7.00"]


def test_interval():
    assert interval({"mean": 310.0, "lo": 248.0, "hi": 403.2}) == "[248\u2013403]"
    assert interval({"mean": None, "lo": None, "hi": None}) == "[grows]"


def test_layouts():
    plan = {"tp": 4, "pp": 1, "attn_dp": 1, "moe_tp": 1, "ep": 1}
    assert layout_label({"replicas": 4, "plan": plan}) == "4 \u00d7 tp4"
    pools = {"prefill": {"workers": 3, "plan": plan | {"tp": 2}}, "decode": {"workers": 1, "plan": plan}}
    assert layout_label(pools) == "3P tp2 + 1D tp4"


def test_text_stays_on_its_line_and_in_ascii():
    assert one_line("a\nb\tc\x1b[0m") == "a b c [0m"
    assert ascii_text("4 \u00d7 tp4 [1\u20132] \u4e16") == "4 x tp4 [1-2] ?"
