"""What benchmark tools write, read as runs in one vocabulary (simkit.core.measured)."""
