"""Do the rules of docs/replay_oracle.md, as programmed here, give what dynamo.replay gave?

    python experiments/replay/verify.py [NAME ...]

Prints per case the largest difference of any time of any request and the preemptions. Exit status 1 where a
difference is above a microsecond.
"""

import json
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from cluster import Load, Sent, Worker, run_aggregated
from handover import Disaggregated, Transfer
from sequences import BlockNames, EngineRules
from steptimes import StepTimes

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "replay"
LIMIT_MS = 1e-3  # fixtures are rounded to a tenth of that
_BLOCK_TOKENS = 512


def load_of(case: dict[str, Any]) -> Load:
    """The requests of a fixture."""
    columns = [case[key] for key in ("arrival_ms", "isl", "osl")]
    count = case["report"]["requests"]
    arrival, isl, osl = (column if isinstance(column, list) else [column] * count for column in columns)
    listed = case["hash_ids"] or [None] * count
    requests = [
        Sent(index, arrival[index], isl[index], osl[index], _names(index, listed[index]))
        for index in range(count)
    ]
    return Load(requests=requests, concurrency=case["concurrency"])


def _names(index: int, ids: list[int] | None) -> BlockNames:
    """A block is named by the hash ids up to its end, and its place; where none are given, by its request."""
    prefix = None if ids is None else tuple(ids)

    def name(number: int, size: int) -> Hashable:
        if prefix is None:
            return index, number
        return prefix[: ((number + 1) * size - 1) // _BLOCK_TOKENS + 1], number

    return name


def replayed(case: dict[str, Any], times: StepTimes) -> Load:
    """The fixture's requests with the times that the rules give."""
    load = load_of(case)
    if case["decode_workers"] == 0:
        engine = dict(case["engine"])
        ranks = engine.pop("dp_size", 1)
        workers = [Worker.of(EngineRules(**engine), times, ranks) for _ in range(case["workers"])]
        run_aggregated(load, workers)
        return load
    sender = dict(case["prefill"])
    transfer = Transfer(
        bytes_per_token=sender.pop("kv_bytes_per_token", 0),
        gb_per_s=sender.pop("kv_transfer_bandwidth", 0),
        keeps_output=not case["generated"],
    )
    pools = [
        [Worker.of(EngineRules(role=role, **options), times) for _ in range(case[f"{role}_workers"])]
        for role, options in (("prefill", sender), ("decode", case["decode"]))
    ]
    Disaggregated(load, pools[0], pools[1], transfer).run()
    return load


def difference_ms(case: dict[str, Any], load: Load) -> float:
    """The largest one: of all times, or of the report's statistics where it names no requests."""
    if case["requests"] is not None:
        ours = [
            [round(t, 4) for t in (one.arrival_ms, one.token_ms[0], one.token_ms[-1])]
            for one in load.requests
        ]
        return float(np.max(np.abs(np.array(sorted(ours)) - np.array(case["requests"]))))
    ttft = np.array([one.token_ms[0] - one.arrival_ms for one in load.requests])
    itl = np.array([(one.token_ms[-1] - one.token_ms[0]) / max(one.osl - 1, 1) for one in load.requests])
    pairs = [
        (statistic(values, mark), case["report"][key][mark])
        for key, values in (("ttft_ms", ttft), ("itl_ms", itl))
        for mark in ("mean", "p50", "p90", "p99")
    ]
    return max(abs(ours - theirs) for ours, theirs in pairs)


def statistic(values: np.ndarray, mark: str) -> float:
    """As the report has them: percentiles are the value nearest in rank."""
    if mark == "mean":
        return float(np.mean(values))
    place = int(float(mark[1:]) / 100.0 * (len(values) - 1) + 0.5)
    return float(np.sort(values)[place])


def main() -> None:
    """All cases."""
    tables = json.loads((FIXTURES / "tables.json").read_text(encoding="utf-8"))
    worst = 0.0
    for path in sorted(FIXTURES.glob("*.json")):
        if path.name == "tables.json" or (sys.argv[1:] and path.stem not in sys.argv[1:]):
            continue
        case = json.loads(path.read_text(encoding="utf-8"))
        load = replayed(case, StepTimes.of(tables[case["table"]]))
        apart = difference_ms(case, load)
        preempted = sum(one.preemptions for one in load.requests)
        print(f"{path.stem:24} {len(load.requests):4} requests  {apart:9.4f} ms  {preempted:4} preemptions")
        worst = max(worst, apart)
    if worst > LIMIT_MS:
        raise SystemExit(f"largest difference {worst:.4f} ms, allowed {LIMIT_MS} ms")


if __name__ == "__main__":
    main()
