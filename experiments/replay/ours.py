"""Simkit's own simulator on the requests, settings and step times of a fixture.

The step times are those of the mocker's table, added up as in its passes (docs/replay_oracle.md, rule 2).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from verify import load_of

from simkit.sim.cluster import Cluster, EnginePool, Handover, simulate
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests, RequestTimes
from simkit.sim.step_table import StepTable

FloatArray = NDArray[np.float64]
Profile = Mapping[str, FloatArray]

_DEFAULTS: Mapping[str, Any] = {
    "engine_type": "vllm",
    "block_size": 64,
    "num_gpu_blocks": 16384,
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "enable_prefix_caching": True,
    "dp_size": 1,
}
# Arguments without a counterpart: our engines always chunk, and preempt the last admitted (rules 7 and 8);
# the handover has the other two.
_WITHOUT = ("enable_chunked_prefill", "preemption_mode", "kv_bytes_per_token", "kv_transfer_bandwidth")
_KEYS: FloatArray = 2.0 ** np.arange(0, 18, 0.5)
_TOKENS: FloatArray = np.array([0.0, 1e6])


def simulated(case: Mapping[str, Any], profile: Profile) -> RequestTimes:
    """Times of the fixture's requests on simkit's engines."""
    requests = _requests(case)
    return simulate(cluster(case, profile), requests, concurrency=case["concurrency"]).times


def cluster(case: Mapping[str, Any], profile: Profile) -> Cluster:
    """The fixture's workers as simkit's engines."""
    if case["decode_workers"] == 0:
        return Cluster(pools=(pool(profile, case["engine"], workers=case["workers"]),))
    sender = case["prefill"]
    per_token_s = 0.0
    if "kv_transfer_bandwidth" in sender:
        per_token_s = sender["kv_bytes_per_token"] / (sender["kv_transfer_bandwidth"] * 1e9)
    return Cluster(
        pools=(
            pool(profile, sender, workers=case["prefill_workers"], role="prefill"),
            pool(profile, case["decode"], workers=case["decode_workers"], role="decode"),
        ),
        handover=Handover(tokens=_TOKENS, time_s=_TOKENS * per_token_s),
    )


def pool(
    profile: Profile, options: Mapping[str, Any], *, workers: int = 1, role: str = "aggregated"
) -> EnginePool:
    """So many mocker workers: its five profile arrays, its engine arguments by their names."""
    unknown = set(options) - set(_DEFAULTS) - set(_WITHOUT)
    if unknown:
        raise ValueError(f"mocker arguments {sorted(unknown)}: no counterpart here")
    args = {**_DEFAULTS, **options}
    reserve_frac = 1.0 if args["engine_type"] == "trtllm" else 0.0
    policy = SchedulerPolicy(
        token_budget=args["max_num_batched_tokens"],
        max_seqs=args["max_num_seqs"],
        page_tokens=args["block_size"],
        kv_capacity_tokens=args["block_size"] * args["num_gpu_blocks"],
        prefix_caching=args["enable_prefix_caching"],
        early_prefixes=args["engine_type"] == "vllm",
        reserve_frac=reserve_frac,
        reserve_own_frac=reserve_frac,
        admission_steps=0.0,
    )
    if role == "prefill":
        table = StepTable.of_profile(profile, max_seqs=policy.max_seqs)
    else:
        table = pass_table(profile, block_tokens=policy.page_tokens, max_seqs=policy.max_seqs)
    return EnginePool(table=table, policy=policy, replicas=workers, ranks=args["dp_size"])


def pass_table(profile: Profile, *, block_tokens: int, max_seqs: int) -> StepTable:
    """Steps as the mocker composes them: a prefill, then a decode of all who are ready.

    Prompts that are complete take part in that decode: alone they cost a decode step of their own,
    beside others what they add to it. It counts the cache in whole blocks, half a block more per
    sequence on average.
    """
    base = StepTable.of_profile(profile, max_seqs=max_seqs)
    partial = 0.5 * (block_tokens - 1)
    rows, places = np.meshgrid(base.decode_batch, base.decode_context, indexing="ij")
    tokens = np.unique(np.concatenate([base.prefill_tokens, np.geomspace(1.0, base.prefill_tokens[-1], 64)]))
    prompt_tokens, keys = np.meshgrid(tokens, _KEYS, indexing="ij")
    prompts = np.maximum(prompt_tokens / (2.0 * keys), 1.0)  # whole prompts see half their length on average
    context = np.where(prompts > 1.0, 2.0 * keys, keys + 0.5 * prompt_tokens)
    joined_s = base.decode_at(prompts * (1.0 + partial / context), context)
    return replace(
        base,
        decode_s=base.decode_at(rows * (1.0 + partial / places), places),
        prefill_tokens=tokens,
        prefill_context=_KEYS,
        prefill_s=base.prefill_at(prompt_tokens, keys) + joined_s,
        floor_s=float(base.decode_at(1.0, base.decode_context[0])),
    )


def _requests(case: Mapping[str, Any]) -> Requests:
    """Prompts as lists of blocks of the mocker's size, so that both find the same, and their own again."""
    sent = load_of(case).requests
    size = {**_DEFAULTS, **case["engine"]}["block_size"]
    numbers: dict[Any, int] = {}
    blocks, starts = [], [0]
    for one in sent:
        names = [one.names(number, size) for number in range(one.isl // size)]
        blocks += [numbers.setdefault(name, len(numbers)) for name in names]
        starts.append(len(blocks))
    return Requests(
        arrival_s=np.array([one.arrival_ms for one in sent]) * 1e-3,
        isl_tokens=np.array([one.isl for one in sent]),
        osl_tokens=np.array([one.osl for one in sent]),
        block_ids=np.array(blocks, dtype=np.int64),
        block_starts=np.array(starts, dtype=np.int64),
        block_tokens=size,
    )
