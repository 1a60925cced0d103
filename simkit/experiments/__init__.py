"""Experiments: one question each, asked at many points, in a folder that survives any kill."""
