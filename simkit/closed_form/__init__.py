"""Latency, throughput and memory of deployments under a load, in closed form."""
