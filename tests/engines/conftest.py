"""The toy engine registered for a test."""

import pytest

from simkit.engines.registry import registered

from . import toy_engine


@pytest.fixture
def toy():
    with registered(toy_engine.SPEC) as spec:
        yield spec
