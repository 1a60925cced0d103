"""This machine: Dynamo with mocked engines, or an engine's own server."""
