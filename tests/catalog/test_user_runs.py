"""A few runs of one's own against the rest of a cluster, on the public runs."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from own_runs.study import any_of, chosen, clusters, left_out_predictions, score  # noqa: E402

from simkit.catalog.runs import read_table  # noqa: E402


@pytest.fixture(scope="module")
def found():
    """Clusters with predictions that have not seen their family, and that have not seen their group."""
    runs = read_table(ROOT / "data" / "runs" / "serving_runs_fit.csv")
    return {scheme: clusters(left_out_predictions(runs, scheme)) for scheme in ("family", "split_group")}


# reports/own_runs/README.md has the figures; these leave room for a refit.
@pytest.mark.parametrize("choose", [chosen, any_of])
def test_one_run_of_a_model_that_nobody_measured_predicts_the_rest(found, choose):
    before, before90, after, after90, inside, _ = score(found["family"], 1, choose)["itl"].line()
    assert after <= 0.10 < before
    assert after90 <= 0.30 < before90
    assert 0.85 < inside < 0.97


@pytest.mark.parametrize("scheme", ["family", "split_group"])
@pytest.mark.parametrize("count", [1, 3])
def test_own_runs_do_not_spoil_what_is_predicted(found, scheme, count):
    scores = score(found[scheme], count, any_of)
    for metric, allowed in (("ttft", 0.005), ("itl", 0.005)):
        before, before90, after, after90, inside, _ = scores[metric].line()
        assert after <= before + allowed
        assert after90 <= before90 + 0.03
        assert 0.82 < inside < 0.97
