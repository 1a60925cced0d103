"""Command lines that people start engines with, read as deployments."""
