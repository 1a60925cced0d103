"""Fitting predictions to measured runs and operator tables. Needs the extra `fit`."""
