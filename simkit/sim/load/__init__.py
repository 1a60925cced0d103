"""What is sent to a simulated cluster: arrivals, lengths, shared prefixes, the benchmark's procedure."""
