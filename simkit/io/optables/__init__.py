"""Readers of measured operator tables, one module per family."""
