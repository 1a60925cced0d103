"""Stages of a request, kinds of step and roles of a pool, as numbers that compiled code sees as constants."""

from typing import Final

# Where a request is.
UNSENT: Final = 0
COMING: Final = 1
WAITING: Final = 2
PREFILLING: Final = 3
DECODING: Final = 4
MOVING: Final = 5
FINISHED: Final = 6

# What a group of lanes does.
RESTING: Final = 0
PROMPTING: Final = 1
DECODES_ONLY: Final = 2
AWAKE: Final = 3  # to start its next step as soon as all events of this moment are known

# What a pool does.
SERVES_ALL: Final = 0
PREFILLS: Final = 1
DECODES: Final = 2
