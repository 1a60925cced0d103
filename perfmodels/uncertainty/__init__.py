"""How far predictions are off: residuals, intervals, a user's own runs, error measures."""
