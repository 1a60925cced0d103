"""Paths, YAML, HTTP, processes and tools: how this process touches the outside."""
