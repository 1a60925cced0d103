"""The only reader of `data/`: GPUs, models, operator models, calibrations, runs."""
