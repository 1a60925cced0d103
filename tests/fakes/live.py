"""What live tests need: Dynamo and AIPerf in environments of their own."""

import pytest

from simkit.io.tools import AIPERF, DYNAMO, find_tool

DYNAMO_AT = find_tool(DYNAMO)
AIPERF_AT = find_tool(AIPERF)

needs_dynamo = pytest.mark.tools("dynamo")
needs_aiperf = pytest.mark.tools("aiperf")
