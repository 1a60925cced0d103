"""Hypothesis settings shared by all tests: reproducible, no stored examples, no stopwatch."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "simkit",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("simkit")
