"""Names of the columns of the arrays that the compiled loop works on.

Numbers, because compiled code sees global numbers as constants. The letter in front says which array: R
requests, L lanes, G groups, P rules of a pool, S counters of the whole run; a second one, f, floats.
"""

from typing import Final

# Requests, whole numbers. target: tokens to prefill (more than the prompt where lost cache is recomputed),
# done of them so far; steps: decode steps of its life, walked so far; shared: cache units it refers to;
# source: the lane that prefilled it and holds its cache until the transfer is over.
R_ISL: Final = 0
R_OSL: Final = 1
R_DECLARED: Final = 2
R_STEPS: Final = 3
R_WALKED: Final = 4
R_TARGET: Final = 5
R_DONE: Final = 6
R_JOINED: Final = 7
R_CACHED: Final = 8
R_PREEMPTIONS: Final = 9
R_LANE: Final = 10
R_SERVED: Final = 11
R_SHARED: Final = 12
R_ORDER: Final = 13
R_NEXT: Final = 14
R_BLOCK: Final = 15
R_UNITS: Final = 16
R_STAGE: Final = 17
R_SOURCE: Final = 18
R_COLUMNS: Final = 19

# Requests, seconds.
RF_ARRIVAL: Final = 0
RF_SENT: Final = 1
RF_START: Final = 2
RF_FIRST: Final = 3
RF_FINISHED: Final = 4
RF_ELIGIBLE: Final = 5
RF_TRANSFER: Final = 6
RF_COLUMNS: Final = 7

# Where a request is.
UNSENT: Final = 0
COMING: Final = 1
WAITING: Final = 2
PREFILLING: Final = 3
DECODING: Final = 4
MOVING: Final = 5
FINISHED: Final = 6

# Lanes, whole numbers. clock: decode steps so far; private: pages that belong to one sequence; units: cached
# prefix units, idle of them without references; gate: clock at which prompts may be admitted, -1 unset;
# full: no room for the first of the queue, 0 again when pages are given back or shared; placed, last_placed:
# first and last of those whose cache has come from another engine; held: sequences with pages whose cache is
# on its way or has come, promised: pages that these may take besides.
L_CLOCK: Final = 0
L_DECODES: Final = 1
L_PROMPTS: Final = 2
L_HEAD: Final = 3
L_TAIL: Final = 4
L_PRIVATE: Final = 5
L_UNITS: Final = 6
L_IDLE: Final = 7
L_GATE: Final = 8
L_LOAD: Final = 9
L_GROUP: Final = 10
L_POOL: Final = 11
L_REPLICA: Final = 12
L_RUNS: Final = 13
L_PEAK: Final = 14
L_FULL: Final = 15
L_PLACED: Final = 16
L_LAST_PLACED: Final = 17
L_HELD: Final = 18
L_PROMISED: Final = 19
L_COLUMNS: Final = 20

# Lanes, floats. context: cached tokens of all decoding; declared: output tokens they may still ask for;
# step: time of its last step.
LF_CONTEXT: Final = 0
LF_DECLARED: Final = 1
LF_LINK_FREE: Final = 2
LF_STEP: Final = 3
LF_COLUMNS: Final = 4

# Groups of lanes that step together.
G_FIRST: Final = 0
G_LANES: Final = 1
G_KIND: Final = 2
G_STEPS: Final = 3
G_COLUMNS: Final = 4
GF_BEGIN: Final = 0
GF_END: Final = 1
GF_COLUMNS: Final = 2
RESTING: Final = 0
PROMPTING: Final = 1
DECODES_ONLY: Final = 2
AWAKE: Final = 3  # to start its next step as soon as all events of this moment are known

# Rules of a pool, whole numbers.
P_BUDGET: Final = 0
P_MAX_SEQS: Final = 1
P_PAGE: Final = 2
P_PAGES: Final = 3
P_MIXED: Final = 4
P_CACHING: Final = 5
P_POLL: Final = 6
P_HOLD: Final = 7
P_PAGE_STEPS: Final = 8
P_ROLE: Final = 9
P_UNIT: Final = 10
P_FIRST_LANE: Final = 11
P_REPLICAS: Final = 12
P_LANES: Final = 13
P_LEAST_OUTPUT: Final = 14
P_HEADROOM: Final = 15
P_EARLY: Final = 16  # prefixes are found as soon as they are scheduled
P_COLUMNS: Final = 17

# Rules of a pool, floats. growth: tokens a decode step adds to a sequence on average.
PF_RESERVE: Final = 0
PF_ADMISSION: Final = 1
PF_STALL: Final = 2
PF_GROWTH: Final = 3
PF_FACTOR: Final = 4
PF_HOST: Final = 5
PF_TOKEN: Final = 6
PF_SERIAL: Final = 7
PF_OWN: Final = 8
PF_FLOOR: Final = 9
PF_COLUMNS: Final = 10

SERVES_ALL: Final = 0
PREFILLS: Final = 1
DECODES: Final = 2

# Counters of the run.
S_NEXT: Final = 0
S_IN_FLIGHT: Final = 1
S_CONCURRENCY: Final = 2
S_ORDER: Final = 3
S_COMING: Final = 4
S_ROUTER: Final = 5
S_STEPPING: Final = 6
S_STEPS: Final = 7
S_EVENTS: Final = 8
S_SAMPLES: Final = 9
S_STRIDE: Final = 10
S_AWAKE: Final = 11
S_FINISHED: Final = 12
S_TURN: Final = 13
S_COLUMNS: Final = 15  # two turns: one per pool
