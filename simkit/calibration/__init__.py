"""Fitting predictions to measured runs: factors of engines, residuals, errors. Needs the extra `fit`."""
