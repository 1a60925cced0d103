"""What stands in a deployment's way, asked before anything is created: one module a subject."""
