"""What the compiled loop knows of each request, lane, group, pool and run: rows of arrays, by name.

A field is a whole number or a float; whole numbers that are 0 or 1 say no or yes.
"""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Row = TypeVar("Row")

if TYPE_CHECKING:
    from typing import overload

    class Rows(NDArray[np.void], Generic[Row]):
        """An array of rows of one kind: by place a row, by name all values of a field."""

        @overload  # type: ignore[override]
        def __getitem__(self, key: int) -> Row: ...
        @overload
        def __getitem__(self, key: str) -> NDArray[Any]: ...
        @overload
        def __getitem__(self, key: slice | NDArray[np.bool_]) -> "Rows[Row]": ...
        def __getitem__(self, key: Any) -> Any: ...
else:

    class Rows(Generic[Row]):
        """An array of rows of one kind; at run time a plain array."""


def rows_of(kind: type[Row], count: int) -> Rows[Row]:
    """So many rows of zeros."""
    fields = [(name, {int: np.int64, float: np.float64}[of]) for name, of in kind.__annotations__.items()]
    rows: Any = np.zeros(count, dtype=np.dtype(fields, align=True))
    return rows


class RequestRow:
    """A request."""

    isl: int
    osl: int
    declared: int  # output tokens it may ask for, as far as the scheduler knows
    steps: int  # decode steps of its life
    walked: int  # of them so far
    target: int  # tokens to prefill: more than the prompt where lost cache is recomputed
    done: int  # of them so far
    joined: int  # the lane's clock when it began to decode
    cached: int
    preemptions: int
    lane: int
    served: int  # the replica that finished it
    shared: int  # cache units it refers to
    order: int  # of admission
    next: int  # the one behind it in a queue, -1 none
    block: int  # its first in block_ids
    units: int  # blocks of its prompt
    stage: int
    source: int  # the lane that prefilled it and holds its cache until the transfer is over
    arrival_s: float
    sent_s: float
    start_s: float
    first_s: float
    finished_s: float
    eligible_s: float
    transfer_s: float


class LaneRow:
    """A lane: an attention-DP rank and pipeline stage of an engine."""

    clock: int  # decode steps so far
    decodes: int
    prompts: int
    head: int  # of its queue, -1 none
    tail: int
    private: int  # pages that belong to one sequence
    units: int  # cached prefix units
    idle: int  # of them without references
    gate: int  # the clock at which prompts may be admitted, -1 unset
    load: int  # requests routed to it and not finished
    group: int
    pool: int
    replica: int
    runs: int  # whether those who decode take part in the step
    peak: int
    full: int  # no room for the first of the queue; 0 again when pages are given back or shared
    placed: int  # first of those whose cache has come from another engine
    last_placed: int
    held: int  # sequences with pages whose cache is on its way or has come
    promised: int  # pages that these may take besides
    context: float  # cached tokens of all who decode
    declared: float  # output tokens they may still ask for
    link_free_s: float
    step_s: float  # of its last step


class GroupRow:
    """Lanes that step together."""

    first: int
    lanes: int
    kind: int
    steps: int
    begin_s: float
    end_s: float


class PoolRow:
    """Rules of a pool, and whose turn it is."""

    turn: int
    budget: int
    max_seqs: int
    page: int
    pages: int
    mixed: int
    caching: int
    poll: int
    hold: int
    page_steps: int
    role: int
    unit: int  # tokens of a unit of the prefix cache
    unit_pages: int
    first_lane: int
    replicas: int
    lanes: int
    least_output: int
    headroom: int
    early: int  # prefixes are found as soon as they are scheduled
    reserve_frac: float
    own_frac: float
    admission_steps: float
    stall_frac: float
    growth: float  # tokens a decode step adds to a sequence on average
    factor: float
    host_s: float
    token_s: float
    serial_s: float
    floor_s: float


class RunRow:
    """The run as a whole: what was counted, and its three settings."""

    concurrency: int  # 0 unlimited
    router: int  # its place in ROUTERS
    stepping: int
    next: int  # the request to be sent next
    in_flight: int
    order: int
    coming: int
    steps: int
    events: int
    samples: int
    stride: int
    awake: int
    finished: int


class HostRow:
    """The serial part of a replica's host: when it was last asked for, and for how long it is taken."""

    last_s: float
    behind_s: float


class SampleRow:
    """The cluster at a moment: requests, pages in use, pages of idle prefixes."""

    time_s: float
    waiting: float
    running: float
    used: float
    idle: float
