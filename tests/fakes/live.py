"""What live tests need: Dynamo and AIPerf in environments of their own, or a reason to skip."""

import pytest

from simkit.io.tools import AIPERF, DYNAMO, find_tool

DYNAMO_AT = find_tool(DYNAMO)
AIPERF_AT = find_tool(AIPERF)

needs_dynamo = pytest.mark.skipif(
    DYNAMO_AT is None, reason="Dynamo is not installed; `simkit tools --make dynamo` puts it into the cache"
)
needs_aiperf = pytest.mark.skipif(
    AIPERF_AT is None, reason="AIPerf is not installed; `simkit tools --make aiperf` puts it into the cache"
)
