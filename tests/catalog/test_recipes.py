"""Engine options of rows: from their benchmark's launch scripts, unless the row says otherwise."""

import numpy as np
import pandas as pd
import pytest

from simkit.catalog import runs
from simkit.core.errors import InputError
from simkit.verbs.deployment_rows import complete_table


def rows(**changes):
    base = {
        "model": "deepseek-ai/DeepSeek-R1", "gpu": "b200_sxm", "backend": "sglang", "precision": "fp4",
        "mode": "agg", "tp": 4, "isl_tokens": 1024, "osl_tokens": 1024, "concurrency": 64,
        "protocol": "inferencex",
    }  # fmt: skip
    return complete_table(pd.DataFrame([base | changes]))


def test_a_row_takes_what_its_benchmark_sets():
    table = rows()
    assert table["poll_steps"].item() == 30
    assert table["max_num_seqs"].item() == 256
    assert rows(concurrency=8)["poll_steps"].item() == 10


def test_the_same_procedure_by_hand_is_the_same_benchmark():
    by_hand = rows(protocol=None, requests_per_slot=10, length_spread=0.2)
    for name in runs.OPTIONS:
        assert by_hand[name].equals(rows()[name])


def test_another_procedure_knows_nothing():
    other = rows(protocol=None, requests_per_slot=7, length_spread=0.2)
    assert other[list(runs.OPTIONS)].isna().all(axis=None)


def test_of_separate_pools_only_the_limit_of_sequences_is_set():
    known = rows(mode="disagg")[list(runs.OPTIONS)].notna().iloc[0]
    assert list(known[known].index) == ["max_num_seqs"]


def test_columns_of_the_table_win():
    table = rows(poll_steps=0, max_num_seqs=np.nan)
    assert table["poll_steps"].item() == 0
    assert table["max_num_seqs"].item() == 256


def test_a_recipe_with_an_unknown_key_is_refused(monkeypatch, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "recipes.yaml").write_text(
        "- when: {backend: vllm, colour: red}\n  set: {poll_steps: 1}\n"
    )
    monkeypatch.setattr(runs, "data_dir", lambda: tmp_path)
    runs.recipes.cache_clear()
    with pytest.raises(InputError, match="entry 1 has unknown key 'colour'"):
        runs.recipes()
    runs.recipes.cache_clear()
