"""Operator families: one module each, listed in perfmodels.families.catalog."""
