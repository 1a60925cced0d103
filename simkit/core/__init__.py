"""The vocabulary: workload, SLA, request, deployment, estimate, measured run. Pure."""
