"""The verbs about sweeps."""
