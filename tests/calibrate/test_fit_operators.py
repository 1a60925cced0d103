"""Fitting operator models on a small slice of the measured tables: every family, twice the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from perfmodels.op_times.families import FAMILIES
from simkit.calibrate.fit_operators import cells_of, fit_operators
from simkit.catalog.operator_tables import TABLES, table_rows
from simkit.catalog.operators import gpu_models, operator_models
from simkit.core.errors import InputError

SLICE = Path(__file__).parents[1] / "fixtures" / "operator_tables"
LOOSE = 0.35  # a few hundred rows per family are no basis for accuracy; this catches mixed-up columns


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("operators")
    lines = []
    with parallel_config(backend="sequential"):  # the second fit, for the same bytes, is in processes
        fit_operators(SLICE, out, [], lines.append)
    return out, lines


@pytest.mark.slow
def test_every_family_has_tables_and_a_model(fitted):
    out, lines = fitted
    assert set(TABLES) == set(FAMILIES)
    names = {key.family for path in out.glob("*.npz") for key in operator_models(path.stem, out)}
    assert names == set(FAMILIES)
    assert len(lines) == len(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rows_are_in_si_units_with_every_size(family):
    rows = table_rows(SLICE, family)
    sizes = rows[list(FAMILIES[family].dims)].to_numpy(dtype=float)
    assert np.isfinite(sizes).all()
    assert (sizes >= 0).all()
    assert rows["time_s"].between(1e-8, 100.0).all()
    assert rows["variant"].str.len().gt(0).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gemm", "attention_decode", "mla_decode", "moe", "all_reduce"])
def test_models_follow_their_rows(fitted, family):
    out, _ = fitted
    models = [m for path in out.glob("*.npz") for m in operator_models(path.stem, out).values()]
    scored = [m for m in models if m.key.family == family and np.isfinite(m.held_out_mdape)]
    assert scored
    assert all(model.held_out_mdape < LOOSE for model in scored)


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes(fitted, tmp_path):
    out, _ = fitted
    fit_operators(SLICE, tmp_path, [], lambda line: None)
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_refitting_one_family_keeps_the_others(fitted, tmp_path):
    out, _ = fitted
    for path in out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fit_operators(SLICE, tmp_path, ["quantise"], lambda line: None)
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_link_models_come_with_the_library_tables(fitted):
    out, _ = fitted
    links = {name for path in out.glob("*.npz") for name in gpu_models(path.stem, out).links}
    assert "all_reduce" in links


def test_the_newest_full_version_is_kept():
    rows = pd.DataFrame({
        "gpu": "h200_sxm", "engine": "vllm", "variant": "bf16", "kernel": "k", "time_s": 1e-5,
        "version": ["0.9.0"] * 20 + ["0.10.0"] * 20 + ["0.11.0"] * 5, "m": 1.0, "n": 64.0, "k": 64.0,
    })  # fmt: skip
    assert [cell.version for cell in cells_of("gemm", rows)] == ["0.10.0"]


def table(version, rows, time_s):
    sizes = {"m": [float(2**i) for i in range(10)] * (rows // 10), "n": 64.0, "k": 64.0}
    named = {"gpu": "h200_sxm", "engine": "vllm", "variant": "bf16", "kernel": "k"}
    return pd.DataFrame({**named, "version": version, "time_s": time_s, **sizes})


@pytest.mark.parametrize(("time_s", "expected"), [(1.0e-5, "0.19.0"), (0.5e-5, "0.24.0")])
def test_a_newer_version_with_fewer_rows_counts_where_its_kernel_differs(time_s, expected):
    rows = pd.concat([table("0.19.0", 1000, 1.0e-5), table("0.24.0", 200, time_s)], ignore_index=True)
    assert [cell.version for cell in cells_of("gemm", rows)] == [expected]


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gemm_perf\.parquet"):
        table_rows(tmp_path, "gemm")
    with pytest.raises(InputError, match="unknown operator family"):
        table_rows(tmp_path, "gem")
