"""Random small clusters under random loads, from a seed."""

import numpy as np
from sim_engines import cluster_of, load_of, split_of, table_of

from simkit.sim.policy import Speculation


def rules_of(rng):
    """Rules drawn at random, tight enough that caches overflow and queues form."""
    page = int(rng.choice([1, 4, 16]))
    reserve = float(rng.choice([0.0, 0.1, 1.0]))
    return {
        "token_budget": int(rng.integers(8, 200)),
        "max_seqs": int(rng.integers(1, 12)),
        "mixed_steps": bool(rng.integers(2)),
        "page_tokens": page,
        "kv_capacity_tokens": int(rng.choice([160, 400, 4000])),
        "prefix_caching": bool(rng.integers(2)),
        "reserve_frac": reserve,
        "reserve_own_frac": max(reserve, float(rng.choice([0.0, 1.0]))),
        "least_output_first": bool(rng.integers(2)),
        "headroom_steps": int(rng.choice([1, 5])),
        "poll_steps": int(rng.choice([0, 0, 3])),
        "hold_steps": int(rng.choice([0, 0, 4])),
        "admission_steps": float(rng.choice([0.5, 1.0, 2.3])),
        "request_host_s": float(rng.choice([0.0, 0.004])),
        "request_serial_s": float(rng.choice([0.0, 0.002])),
        "captured": (2, 4, 8) if rng.integers(2) else (),
    }


def load_of_seed(rng, count):
    """Prompts of up to 90 tokens and outputs of up to 60, some of which share prefixes of 16-token blocks."""
    isl, osl = rng.integers(1, 90, count), rng.integers(1, 60, count)
    family, depth = rng.integers(0, 4, count), isl // 16
    blocks = [[int(f) * 100 + place for place in range(d)] for f, d in zip(family, depth, strict=True)]
    arrival = np.cumsum(rng.exponential(rng.choice([0.001, 0.05, 0.5]), count))
    return load_of(isl, osl, arrival, blocks=blocks if rng.integers(2) else None)


def case(seed, count=60, *, speculation=True):
    """A cluster, a load and a concurrency (None: open)."""
    rng = np.random.default_rng(seed)
    table = table_of(
        per_seq=1e-3, per_key=1e-6, prefill=2e-3, per_token=2e-4, stall=float(rng.choice([0.6, 1.0]))
    )
    rules = rules_of(rng)
    if speculation and rng.integers(4) == 0:
        rules["speculation"] = Speculation(draft_tokens=3, acceptance_frac=0.7)
        rules["page_tokens"] = 16
    if rng.integers(3) == 0:
        cluster = split_of(table, prefill=int(rng.integers(1, 3)), decode=int(rng.integers(1, 3)), **rules)
    else:
        sizes = {name: int(rng.integers(1, 3)) for name in ("replicas", "ranks", "stages")}
        cluster = cluster_of(table, router=str(rng.choice(["round_robin", "least_loaded"])), **sizes, **rules)
    return cluster, load_of_seed(rng, count), None if rng.integers(2) else int(rng.integers(1, 30))
