"""Flags that several verbs share: how they are given, bounds, loads."""
