"""What is known of inference engines: speed, memory, support, releases, and their flags both ways."""
