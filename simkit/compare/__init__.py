"""Measured against predicted: what to measure, verdicts, diagnosis."""
