"""Documents of others and ours, read, written and checked."""
