"""The simulator beside ai-dynamo 1.4.2's dynamo.replay, given the same step times (experiments/replay).

One rule differs by name: the mocker decodes a sequence in the very pass that ends its prompt, and its first
token leaves after that decode; engines sample it from the prompt's own pass. Its step is added to our TTFT.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from simkit.sim.cluster import Cluster, EnginePool, simulate
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests
from simkit.sim.steptable import StepTable

FOLDER = Path(__file__).parents[1] / "fixtures" / "replay"
TABLES = json.loads((FOLDER / "tables.json").read_text())
CASES = (
    "c1_1k_128", "c8_1k_128", "c8_8k_1k", "c64_1k_128", "c64_128_512", "c256_1k_128",
    "h200_c1", "h200_c64", "h200_c16_8k_1k",
)  # fmt: skip
AGREES = 0.05
PAGE_TOKENS, PAGES = 64, 16384  # the mocker's defaults


def replayed(name):
    """Step times, what the oracle reported, and what the simulator gives for the same requests."""
    case = json.loads((FOLDER / f"{name}.json").read_text())
    table = StepTable.of_profile(
        {key: np.array(value, dtype=float) for key, value in TABLES[case["table"]].items()}
    )
    policy = SchedulerPolicy(
        max_seqs=256,
        page_tokens=PAGE_TOKENS,
        kv_capacity_tokens=PAGES * PAGE_TOKENS,
        prefix_caching=False,
        admission_steps=0.0,
    )
    count = len(case["requests"])
    requests = Requests(
        arrival_s=np.zeros(count),
        isl_tokens=np.full(count, case["isl"]),
        osl_tokens=np.full(count, case["osl"]),
        block_ids=np.zeros(0, dtype=np.int64),
        block_starts=np.zeros(count + 1, dtype=np.int64),
    )
    cluster = Cluster(pools=(EnginePool(table=table, policy=policy),))
    return table, case, simulate(cluster, requests, concurrency=case["concurrency"]).times


@pytest.mark.parametrize("name", CASES)
def test_latencies_agree_with_the_replay(name):
    table, case, times = replayed(name)
    own_decode_s = float(table.decode_at(1.0, float(np.mean(case["isl"]))))
    ttft_ms = 1e3 * (times.ttft_s + own_decode_s)
    report = case["report"]
    assert np.mean(ttft_ms) == pytest.approx(report["ttft_ms"]["mean"], rel=AGREES)
    assert np.percentile(ttft_ms, 99) == pytest.approx(report["ttft_ms"]["p99"], rel=AGREES)
    assert 1e3 * np.mean(times.itl_s) == pytest.approx(report["itl_ms"]["mean"], rel=AGREES)
    assert 1e3 * np.percentile(times.itl_s, 99) == pytest.approx(report["itl_ms"]["p99"], rel=AGREES)
