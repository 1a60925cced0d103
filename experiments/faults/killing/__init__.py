"""What is killed at random moments, one module a subject."""
