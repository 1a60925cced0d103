"""How long one engine step takes, how many bytes it needs, and how sure we are.

Pure numerics: arrays in, arrays out. Nothing here imports simkit, opens a file or reads a clock.
"""
