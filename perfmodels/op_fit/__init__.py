"""Fits operator models to measured times. Predicting never imports it."""
