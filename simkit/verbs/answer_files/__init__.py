"""What the answer of `recommend -o` puts into its folder: DGDs, profiling data, a page."""
