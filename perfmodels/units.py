"""Conversion factors into SI. Inside the project everything is in seconds and bytes."""

KIB = 1024
MIB = 1024**2
GIB = 1024**3
GB = 1e9
MS = 1e-3
US = 1e-6
