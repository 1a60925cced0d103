"""The vocabulary and the decisions. No files, network, clock or plots."""
