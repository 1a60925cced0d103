"""From step times to latencies of requests: arrivals, scheduler, cache, routing. Pure and seeded."""
