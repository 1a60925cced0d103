"""Conditions: a small part of Python's expressions and nothing else."""

import numpy as np
import pandas as pd
import pytest

from simkit.core.errors import InputError
from simkit.experiments.conditions import parse_condition

TABLE = pd.DataFrame({
    "tp": pd.Series([1, 2, 4, None], dtype=object),
    "gpu": ["h100_sxm", "h200_sxm", "h200_sxm", None],
    "load": [1.0, 64.0, np.nan, 8.0],
    "ok": pd.Series([True, False, None, True], dtype=object),
})  # fmt: skip
COLUMNS = {name: name for name in TABLE}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("tp == 4", [2]),
        ("tp >= 2", [1, 2]),
        ("2 <= tp < 4", [1]),
        ("tp * 2 == 4 or tp == 1", [0, 1]),
        ("not tp > 1", [0, 3]),
        ("gpu in ['h200_sxm', 'b200_sxm'] and tp != 2", [2]),
        ("gpu not in ('h200_sxm',)", [0, 3]),
        ("gpu == 'h100_sxm'", [0]),
        ("load // 8 == 8 or load % 7 == 1", [0, 1, 3]),
        ("ok", [0, 3]),
        ("ok == false", [1]),
        ("-load < -8", [1]),
        ("true", [0, 1, 2, 3]),
        ("load / 0 > 1", [0, 1, 3]),
    ],
)
def test_a_condition_holds_where_it_says(text, rows):
    assert np.flatnonzero(parse_condition(text, COLUMNS).holds(TABLE)).tolist() == rows


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "tp.real", "tp[0]", "[x for x in tp]", "lambda: 1", "tp ** 9",
        "tp if 1 else 2", "f'{tp}'", "(tp := 3)", "tp == b'1'", "tp == None", "tp is 4", "tp ==", "", "a = 1",
        "tp; tp", "{1: 2}", "tp << 9", "tp == 4 " * 400, "(" * 300 + "tp" + ")" * 300, "tp in tp",
        "[tp, 1] == 1", "not " * 600 + "tp", "1j == tp",
    ],
)  # fmt: skip
def test_nothing_else_is_taken(text):
    with pytest.raises(InputError, match="condition"):
        parse_condition(text, COLUMNS).holds(TABLE)


def test_a_text_has_no_order():
    with pytest.raises(InputError, match="compares a text with a number"):
        parse_condition("gpu > 3", COLUMNS).holds(TABLE)


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(InputError, match="unknown column 'gpuu'; did you mean gpu"):
        parse_condition("gpuu == 'x'", COLUMNS)
