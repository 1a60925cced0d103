"""What each command does, free of the terminal: the functions that scripts import."""

from simkit.verbs.estimate import estimate
from simkit.verbs.recommend import load_request, recommend
from simkit.verbs.simulate import simulate

__all__ = ["estimate", "load_request", "recommend", "simulate"]
