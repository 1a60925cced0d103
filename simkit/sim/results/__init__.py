"""What a simulated run did: distributions, totals, goodput, a timeline."""
