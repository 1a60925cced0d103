"""How long an operator takes: learned from measured tables, or a share of peak."""
