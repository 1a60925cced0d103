"""Conversion factors into SI. Inside the project everything is in seconds and bytes."""

MIB = 1024**2
GIB = 1024**3
GB = 1e9
