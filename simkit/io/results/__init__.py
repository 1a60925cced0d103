"""Readers of what benchmark tools write: each gives runs in one vocabulary (simkit.core.measured)."""
