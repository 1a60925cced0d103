"""Histograms between two readings of a metrics page."""

from simkit.formats.benchmark_results.server_metrics import server_side_of
from simkit.io.openai_http import Endpoint, histograms_between, samples, scrape

BEFORE = """# HELP vllm:time_to_first_token_seconds text
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1"} 3.0
vllm:time_to_first_token_seconds_sum{engine="0"} 1.5
vllm:time_to_first_token_seconds_count{engine="0"} 10.0
vllm:num_requests_waiting{engine="0"} 4.0
broken_count not-a-number
"""
AFTER = """vllm:time_to_first_token_seconds_sum{engine="0"} 3.5
vllm:time_to_first_token_seconds_count{engine="0"} 30.0
vllm:time_to_first_token_seconds_sum{engine="1"} 1.0
vllm:time_to_first_token_seconds_count{engine="1"} 5.0
"""


def test_only_sums_and_counts_are_kept():
    assert samples(BEFORE) == {
        ("vllm:time_to_first_token_seconds_sum", 'engine="0"'): 1.5,
        ("vllm:time_to_first_token_seconds_count", 'engine="0"'): 10.0,
    }


def test_what_happened_in_between_over_all_engines():
    """(3.5 - 1.5) + 1.0 seconds over (30 - 10) + 5 requests."""
    found = server_side_of(histograms_between(samples(BEFORE), samples(AFTER)))
    assert found.ttft_s == 3.0 / 25.0
    assert found.itl_s is None


def test_a_server_without_such_a_page_gives_nothing():
    assert scrape(Endpoint(url="http://127.0.0.1:9"), timeout_s=0.5) == {}
