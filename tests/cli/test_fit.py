"""`simkit fit`: what it writes, and how it refuses."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simkit.catalog.operators import fitted_gpus, operator_models
from simkit.cli.main import app
from simkit.core.errors import InputError

SLICE = Path(__file__).parents[1] / "fixtures" / "operator_tables"


@pytest.mark.slow
def test_one_family_is_fitted_where_told(tmp_path):
    arguments = ["fit", "--operators", str(SLICE), "--family", "mla_bmm", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "operator models written to" in result.output
    (name,) = fitted_gpus(tmp_path / "out")
    assert {key.family for key in operator_models(name, tmp_path / "out")} == {"mla_bmm"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to fit"),
        (["--operators", "/no/such/folder"], "expected an existing folder"),
        (["--operators", str(SLICE), "--family", "gem"], "unknown operator family 'gem'"),
        (["--operators", str(SLICE.parent / "missing")], "expected an existing folder"),
    ],
)
def test_bad_input_is_refused(arguments, says, tmp_path):
    result = CliRunner().invoke(app, ["fit", *arguments, "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    for name in ("perfmodels.op_fit.grid", "perfmodels.op_fit.operator", "simkit.calibrate.fit_operators"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = CliRunner().invoke(app, ["fit", "--operators", str(SLICE), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert 'pip install "dynamo-simkit[fit]"' in str(result.exception)


def test_a_damaged_artifact_is_named(tmp_path):
    (tmp_path / "h200_sxm.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"h200_sxm\.npz: no readable arrays"):
        operator_models("h200_sxm", tmp_path)
