"""Measuring a deployment, and what the measurement says of its prediction."""
