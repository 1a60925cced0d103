"""Kubernetes: what a cluster holds, checks before anything is created, deployments followed to the end."""
