"""Simulated engines with the step times and settings of Dynamo's mocker, for comparison with its replays.

The mocker's rules and where ours differ: docs/replay_oracle.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.engine import Role
from simkit.core.errors import unknown_name
from simkit.sim.cluster import EnginePool
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.steptable import StepTable

# Engine arguments that the simulator has a counterpart for, with the mocker's defaults (ai-dynamo 1.4.2).
_DEFAULTS: Mapping[str, Any] = {
    "engine_type": "vllm",
    "block_size": 64,
    "num_gpu_blocks": 16384,
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "enable_prefix_caching": True,
    "dp_size": 1,
}
_ENGINES = ("vllm", "trtllm")
_KEYS: FloatArray = 2.0 ** np.arange(0, 18, 0.5)


def mocker_pool(
    profile: Mapping[str, FloatArray],
    options: Mapping[str, Any],
    *,
    workers: int = 1,
    role: Role = "aggregated",
) -> EnginePool:
    """So many mocker workers: its five profile arrays, its engine arguments by their names.

    Raises InputError for an argument or an engine that has no counterpart.
    """
    for name in options:
        if name not in _DEFAULTS:
            raise unknown_name("mocker argument", name, tuple(_DEFAULTS))
    args = {**_DEFAULTS, **options}
    if args["engine_type"] not in _ENGINES:
        raise unknown_name("mocker engine", args["engine_type"], _ENGINES)
    reserve_frac = 1.0 if args["engine_type"] == "trtllm" else 0.0
    policy = SchedulerPolicy(
        token_budget=args["max_num_batched_tokens"],
        max_seqs=args["max_num_seqs"],
        page_tokens=args["block_size"],
        kv_capacity_tokens=args["block_size"] * args["num_gpu_blocks"],
        prefix_caching=args["enable_prefix_caching"],
        reserve_frac=reserve_frac,
        reserve_own_frac=reserve_frac,
        admission_steps=0.0,
    )
    if role == "prefill":
        table = StepTable.of_profile(profile, max_seqs=policy.max_seqs)
    else:
        table = mocker_table(profile, block_tokens=policy.page_tokens, max_seqs=policy.max_seqs)
    return EnginePool(table=table, policy=policy, replicas=workers, ranks=args["dp_size"])


def mocker_table(profile: Mapping[str, FloatArray], *, block_tokens: int, max_seqs: int) -> StepTable:
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
