"""What stands beside a run: other people's results, and a baseline to be no worse than."""
