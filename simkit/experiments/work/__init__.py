"""Who evaluates the points of a run, and within which budget."""
