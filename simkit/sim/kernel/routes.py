"""Compiled: how requests and caches reach engines."""

from simkit.sim.kernel import kinds
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.group import interrupt, step_under_way_s
from simkit.sim.kernel.kv_transfer import pop, push, receive, wake
from simkit.sim.kernel.lane import enqueue
from simkit.sim.kernel.layout import PoolRow
from simkit.sim.kernel.state import State
from simkit.sim.routers import ROUTERS, Router


def _either(number: int, router: Router, others: Router) -> Router:
    """Compiled: this router where the run's number is its own, or else what the others do."""

    @inner
    def choose(state: State, rules: PoolRow, turn: int) -> int:
        return router(state, rules, turn) if state.run[0].router == number else others(state, rules, turn)

    return choose


def _compiled(routers: list[Router]) -> Router:
    """One compiled function of all routers; the run's number says which of them chooses."""
    choose = inner(routers[-1])
    for number in reversed(range(len(routers) - 1)):
        choose = _either(number, inner(routers[number]), choose)
    return choose


_choose = _compiled(list(ROUTERS.values()))


@inner
def _route(state: State, rules: PoolRow) -> int:
    """The lane that takes the next request of a pool."""
    rules.turn += 1
    return _choose(state, rules, rules.turn - 1)


@inner
def send(state: State, now_s: float) -> None:
    """A client sends the next request; it reaches its engine once the host has prepared it."""
    run, rules = state.run[0], state.pools[0]
    request, place = state.requests[run.next], _route(state, rules)
    lane = state.lanes[place]
    request.lane, request.stage, request.sent_s = place, kinds.COMING, now_s
    # Those of the opening burst pass the host's serial part one after the other; later ones that finish
    # in the same step do not meet there again, or equal lengths would keep the burst alive for ever.
    host, behind_s = state.hosts[lane.replica], 0.0
    if host.last_s == now_s and run.finished == 0:
        behind_s = host.behind_s + rules.serial_s
    host.last_s, host.behind_s = now_s, behind_s
    lane.load += 1
    push(state, now_s + behind_s + rules.host_s + rules.token_s * request.isl, run.next)
    run.next += 1
    run.in_flight += 1


@inner
def offer(state: State, number: int, now_s: float) -> None:
    """A prompt is prefilled: a decoding engine is asked, at this moment, to take it on."""
    request, place = state.requests[number], _route(state, state.pools[1])
    state.lanes[request.lane].load -= 1
    state.lanes[place].load += 1
    request.source, request.lane, request.stage = request.lane, place, kinds.COMING
    push(state, now_s, number)


@inner
def arrive(state: State, now_s: float) -> None:
    """A request reaches its engine and waits to be scheduled, or for its cache to arrive."""
    number = pop(state)
    request = state.requests[number]
    lane, late_s, first = state.lanes[request.lane], 0.0, True
    if request.stage == kinds.MOVING:
        receive(state, number)
    else:
        if lane.decodes > 0:
            late_s = state.pools[lane.pool].admission_steps * step_under_way_s(state, lane, now_s)
        request.eligible_s, first = now_s + late_s, lane.head < 0
        enqueue(state, request.lane, number)
    if first:
        interrupt(state, lane.group, now_s + late_s)
    wake(state, lane.group)
