"""Readers of files, one module a subject, and what is done with what they read."""
