"""The replay cases: small runs, each of which brings out a rule or two."""

from dataclasses import dataclass, field
from typing import Any

from loads import Load, arriving, conversations, fixed, sharing, spread

LINK = {"kv_bytes_per_token": 131072, "kv_transfer_bandwidth": 25.0}  # Llama-3.1-8B in 16 bits, GB/s
SLOW = {"kv_bytes_per_token": 131072, "kv_transfer_bandwidth": 2.0}
NO_CACHE = {"enable_prefix_caching": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run. engine: of aggregated workers; prefill and decode instead where decode_workers > 0.

    generated: dynamo.replay makes the requests itself (fixed lengths; reports no single requests) instead
    of reading a trace. rule: what the case is for.
    """

    name: str
    rule: str
    table: str
    load: Load
    concurrency: int | None = None
    engine: dict[str, Any] = field(default_factory=dict)
    workers: int = 1
    prefill: dict[str, Any] = field(default_factory=dict)
    decode: dict[str, Any] = field(default_factory=dict)
    prefill_workers: int = 0
    decode_workers: int = 0
    generated: bool = False


def _loop(name: str, rule: str, table: str, load: Load, concurrency: int, **more: Any) -> Case:
    return Case(name=name, rule=rule, table=table, load=load, concurrency=concurrency, **more)


def _open(name: str, rule: str, table: str, load: Load, **more: Any) -> Case:
    return Case(name=name, rule=rule, table=table, load=load, **more)


def _split(name: str, rule: str, load: Load, concurrency: int | None = None, **more: Any) -> Case:
    settings = {"prefill_workers": 2, "decode_workers": 1, "prefill": LINK, "generated": True} | more
    return Case(name=name, rule=rule, table="llama8b_h200", load=load, concurrency=concurrency, **settings)


CLOSED = (
    _loop("c1_1k_128", "TTFT is a prefill and a decode", "linear", fixed(16, 1024, 128), 1),
    _loop("c8_1k_128", "opening burst", "linear", fixed(96, 1024, 128), 8),
    _loop("c64_1k_128", "waves of equal lengths", "linear", fixed(256, 1024, 128), 64),
    _loop("c256_1k_128", "token budget bounds the burst", "linear", fixed(512, 1024, 128), 256),
    _loop("c8_8k_1k", "long prompts", "linear", fixed(24, 8192, 1024), 8),
    _loop("c64_128_512", "short prompts, long answers", "linear", fixed(192, 128, 512), 64),
    _loop("c32_spread", "mixed passes in steady state", "linear", spread(320, 1024, 128, 11), 32),
    _loop("h200_c1", "interpolation", "llama8b_h200", fixed(16, 1024, 128), 1),
    _loop("h200_c64", "interpolation", "llama8b_h200", fixed(256, 1024, 128), 64),
    _loop("h200_c16_8k_1k", "long prompts", "llama8b_h200", spread(48, 8192, 1024, 12, 0.2), 16),
    _loop("h200_c64_spread", "mixed passes in steady state", "llama8b_h200", spread(400, 1024, 128, 13), 64),
    _loop("nonlinear_c1", "both axes of the decode table", "nonlinear", spread(32, 2048, 128, 14), 1),
    _loop("nonlinear_c16", "both axes of the decode table", "nonlinear", spread(160, 2048, 128, 15), 16),
    _loop("nonlinear_c128", "both axes of the decode table", "nonlinear", spread(384, 1024, 128, 16), 128),
)
OPEN = (
    _open("open_low", "idle engine", "llama8b_h200", arriving(spread(250, 1024, 128, 21), 4, 31)),
    _open("open_high", "queueing", "llama8b_h200", arriving(spread(400, 1024, 128, 22), 15, 32)),
    _open("open_overload", "queue grows", "llama8b_h200", arriving(spread(300, 1024, 128, 23), 40, 33)),
    _open("open_bursty", "bursts", "llama8b_h200", arriving(spread(300, 1024, 128, 24), 8, 34, cv=3.0)),
    _open("open_constant", "no bursts", "linear", arriving(fixed(150, 1024, 128), 6, 0, cv=0.0)),
    _open("nonlinear_open", "both axes", "nonlinear", arriving(spread(250, 1024, 128, 25), 6, 35)),
)
LIMITS = (
    _loop(
        "kv_queue", "admission waits for blocks", "linear", fixed(192, 1024, 128), 64,
        engine={"num_gpu_blocks": 360},
    ),
    _loop(
        "kv_preempt", "last in is preempted, finds its own blocks", "linear", spread(160, 128, 512, 41), 64,
        engine={"num_gpu_blocks": 300},
    ),
    _loop(
        "kv_preempt_uncached", "recomputed output costs no prefill", "linear", spread(160, 128, 512, 41), 64,
        engine={"num_gpu_blocks": 300, **NO_CACHE},
    ),
    _loop(
        "kv_preempt_fifo", "first in is preempted", "linear", spread(160, 128, 512, 41), 64,
        engine={"num_gpu_blocks": 300, "preemption_mode": "fifo", **NO_CACHE},
    ),
    _open(
        "kv_open", "open load near the cache's end", "llama8b_h200",
        arriving(spread(250, 1024, 256, 42), 12, 43),
        engine={"num_gpu_blocks": 900, "block_size": 16, **NO_CACHE},
    ),
    _open(
        "chunk_2048", "a prompt in chunks, decodes between", "llama8b_h200",
        arriving(spread(80, 8192, 128, 44, 0.2), 2, 45), engine={"max_num_batched_tokens": 2048},
    ),
    _loop(
        "chunk_512", "small chunks", "linear", spread(64, 4096, 64, 46, 0.3), 8,
        engine={"max_num_batched_tokens": 512},
    ),
    _loop(
        "chunk_off", "whole prompts only", "linear", spread(160, 3072, 64, 47), 32,
        engine={"max_num_batched_tokens": 8192, "enable_chunked_prefill": False},
    ),
    _loop(
        "seqs_16", "places to run are short", "linear", fixed(192, 1024, 128), 64,
        engine={"max_num_seqs": 16},
    ),
)  # fmt: skip
SHARED = sharing(arriving(spread(300, 3072, 96, 51, 0.4), 9, 52), 6, 4, 53)
PREFIXES = (
    _open("prefix_on", "prefix hits", "llama8b_h200", SHARED),
    _open("prefix_off", "no prefix hits", "llama8b_h200", SHARED, engine=NO_CACHE),
    _open("prefix_evict", "oldest prefix goes", "llama8b_h200", SHARED, engine={"num_gpu_blocks": 320}),
    _open("prefix_2w", "each worker has its own cache", "llama8b_h200", SHARED, workers=2),
    _open("mooncake", "conversations", "llama8b_h200", conversations(250, 4, 61)),
    _open(
        "mooncake_2w_small", "conversations, small caches", "llama8b_h200", conversations(250, 8, 62),
        workers=2, engine={"num_gpu_blocks": 600},
    ),
)  # fmt: skip
WORKERS = (
    _open("w4_open", "round robin", "llama8b_h200", arriving(spread(400, 1024, 128, 71), 40, 72), workers=4),
    _loop("w3_closed", "round robin, closed loop", "llama8b_h200", spread(300, 1024, 128, 73), 48, workers=3),
    _loop(
        "dp2_closed", "ranks wait for the slowest", "llama8b_h200", spread(300, 1024, 128, 74), 48,
        engine={"dp_size": 2},
    ),
    _open(
        "dp4_open", "ranks wait for the slowest", "llama8b_h200",
        arriving(spread(300, 1024, 128, 75), 20, 76),
        engine={"dp_size": 4},
    ),
)  # fmt: skip
HANDOVERS = (
    _split("pd_c1", "prefill, transfer, decode", fixed(16, 4000, 256), 1),
    _split("pd_c16", "decode batch of a closed loop", fixed(96, 4000, 256), 16),
    _split("pd_c64", "prefill is the bottleneck", fixed(192, 4000, 128), 64),
    _split("pd_rate", "constant gaps", arriving(fixed(150, 4000, 256), 12.5, 0, cv=0.0)),
    _split("pd_link", "slow link", fixed(96, 4000, 128), 16, prefill=SLOW),
    _split("pd_no_link", "transfer takes no time", fixed(96, 4000, 128), 16, prefill={}),
    _split("pd_seqs", "decode places are short", fixed(96, 1000, 128), 32, decode={"max_num_seqs": 8}),
    _split("pd_kv", "decode cache is short", fixed(96, 1000, 128), 32, decode={"num_gpu_blocks": 180}),
    _split("pd_3_2", "two decode workers", fixed(192, 2000, 256), 48, prefill_workers=3, decode_workers=2),
    _split(
        "pd_trace", "prefill workers make whole outputs of a trace",
        arriving(spread(200, 2000, 128, 81), 12, 82), generated=False,
    ),
)  # fmt: skip
NO_EVICT = {"engine_type": "trtllm", "block_size": 32}
TRTLLM = (
    _loop("trtllm_c64", "room is plenty", "linear", spread(256, 1024, 128, 91), 64, engine=NO_EVICT),
    _loop(
        "trtllm_kv", "room for the whole output at admission", "linear", spread(160, 128, 512, 41), 64,
        engine=NO_EVICT | {"num_gpu_blocks": 600},
    ),
    _open(
        "trtllm_prefix", "the same with prefixes", "llama8b_h200", SHARED,
        engine=NO_EVICT | {"num_gpu_blocks": 900},
    ),
)  # fmt: skip
CASES = CLOSED + OPEN + LIMITS + PREFIXES + WORKERS + HANDOVERS + TRTLLM
