"""The Planner's configuration and profiling data."""
