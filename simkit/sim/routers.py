"""How requests are spread over the lanes of a pool: a function here is a router of that name.

The kernel compiles these functions: they may use only numbers and the rows of State.
"""

from collections.abc import Callable

from simkit.sim.kernel.layout import PoolRow
from simkit.sim.kernel.state import State

Router = Callable[[State, PoolRow, int], int]


def _round_robin(state: State, rules: PoolRow, turn: int) -> int:
    """The lane of request number `turn` of the pool: replicas in turn, and then their lanes."""
    return rules.first_lane + (turn % rules.replicas) * rules.lanes + (turn // rules.replicas) % rules.lanes


def _least_loaded(state: State, rules: PoolRow, turn: int) -> int:
    """The lane with the fewest unfinished requests. Ties go in turn, else the first lane took them all."""
    count, best = rules.replicas * rules.lanes, -1
    for index in range(count):
        place = rules.first_lane + (turn + index) % count
        if best < 0 or state.lanes[place].load < state.lanes[best].load:
            best = place
    return best


ROUTERS: dict[str, Router] = {"round_robin": _round_robin, "least_loaded": _least_loaded}
