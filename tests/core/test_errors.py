"""Errors that say what to do."""

import pytest

from simkit.core.errors import ExternalError, InfeasibleError, InputError, SimkitError, nearest, unknown_name


def test_one_tree_with_exit_codes():
    assert {error("x").exit_code for error in (SimkitError, InputError, InfeasibleError)} == {2}
    assert ExternalError("x").exit_code == 3
    for error in (InputError, InfeasibleError, ExternalError):
        assert issubclass(error, SimkitError)


def test_near_names_come_best_first_whatever_the_case():
    known = ["h100_sxm", "h200_sxm", "b200_sxm", "l4"]
    assert nearest("H200-SXM", known)[0] == "h200_sxm"
    assert nearest("h100_sxmm", known, count=1) == ["h100_sxm"]
    assert nearest("zzzzz", known) == []


def test_unknown_names_hint_and_help():
    error = unknown_name("GPU", "h100_smx", ["h100_sxm", "l4"], "list them with simkit gpus")
    assert isinstance(error, InputError)
    assert str(error) == "unknown GPU 'h100_smx'; did you mean h100_sxm? list them with simkit gpus"
    assert str(unknown_name("GPU", "zzz", ["h100_sxm"])) == "unknown GPU 'zzz'"


@pytest.mark.parametrize("error", [InputError, InfeasibleError])
def test_they_are_caught_as_one(error):
    with pytest.raises(SimkitError):
        raise error("x")
