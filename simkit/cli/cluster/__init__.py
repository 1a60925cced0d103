"""Verbs that act on a Kubernetes cluster."""
