"""Search, estimate, predict and the fit say the same of one deployment under one load."""

import pytest
from deployments import DEPLOYMENTS, ENGINES, FORMATS, cases, layouts_of
from routes import asked, figures_of, fitted_figures, rows_of, table_figures, worst

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.io.threads import one_thread


@pytest.fixture(scope="module")
def estimated():
    """What estimate_deployment says of every drawn deployment, with the settings the search gave it."""
    with one_thread():
        return [figures_of(deployment_candidate(case.problem, case.deployment)) for case in cases()]


@pytest.fixture(scope="module")
def closed(estimated):
    """The cases with a fixed number of requests in flight, and their estimates."""
    both = [(case, one) for case, one in zip(cases(), estimated, strict=True) if case.closed]
    return [case for case, _ in both], [one for _, one in both]


@pytest.fixture(scope="module")
def in_table(closed):
    """What `predict` says of these, all in one table."""
    return table_figures(rows_of(closed[0]))


@pytest.fixture(scope="module")
def in_fit(closed):
    """What the fit says of these."""
    return fitted_figures(rows_of(closed[0]))


def test_the_draw_covers_engines_modes_loads_and_formats():
    drawn = cases()
    assert len(drawn) == DEPLOYMENTS
    assert {case.deployment.backend for case in drawn} == set(ENGINES)
    assert {case.deployment.mode for case in drawn} == {"agg", "disagg"}
    assert {case.formats for case in drawn} == set(FORMATS)
    assert len({case.problem.request.model for case in drawn}) >= 8
    assert 40 < sum(case.closed for case in drawn) < DEPLOYMENTS - 40


def test_the_search_says_of_a_deployment_what_an_estimate_of_it_says(estimated):
    pairs = [(case.name, figures_of(case.found), one) for case, one in zip(cases(), estimated, strict=True)]
    assert not (message := worst(pairs)), message


def test_short_names_mean_the_deployment_they_are_the_names_of(estimated):
    chosen = list(zip(cases(), estimated, strict=True))[::7]
    pairs = [
        (case.name, one, asked(case.problem.request, layouts_of(case.deployment))) for case, one in chosen
    ]
    assert not (message := worst(pairs)), message


def test_a_row_of_a_table_is_predicted_as_it_is_estimated(closed, in_table):
    drawn, estimates = closed
    pairs = zip((case.name for case in drawn), estimates, in_table, strict=True)
    assert not (message := worst(pairs)), message


def test_the_fit_takes_for_predicted_what_an_estimate_says(closed, in_fit):
    drawn, estimates = closed
    pairs = zip((case.name for case in drawn), estimates, in_fit, strict=True)
    assert not (message := worst(pairs)), message


def test_the_fit_takes_for_predicted_what_the_table_says(closed, in_table, in_fit):
    pairs = zip((case.name for case in closed[0]), in_table, in_fit, strict=True)
    assert not (message := worst(pairs)), message
