"""One forward pass as named operators: FLOP, HBM bytes and wire bytes."""
