"""Write reports/loop_error/README.md from the passes kept in data/runs/loop.

python experiments/loop_error/report.py
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "data" / "runs" / "loop"
OUT = ROOT / "reports" / "loop_error" / "README.md"

HEAD = """<!-- Regenerate with: python experiments/loop_error/report.py (run.py beside it measures) -->

# How exact is the loop itself

Step times of {model} on {gpu} go through an npz file into Dynamo 1.6.1's mocker behind its real frontend,
AIPerf {aiperf} sends the predicted workload, and the result is compared with the simulation of mocked
engines: the same step times, behind a stack that takes 3 ms for a request, 1 ms of them one request
after the other.
Every case was measured {repeats} times ({machine}; load average {load:.1f} on the mean, other work on the
same cores). Errors are predicted/measured - 1.

| case | requests | ITL predicted | measured: mean, range | error: mean | worst | frontend's own ITL |
|---|---:|---:|---:|---:|---:|---:|
"""
TTFT_HEAD = """
## TTFT, with the floor of the stack

With engines that take no time, one request in flight and 512 tokens in, AIPerf sees {floor} ms until the
first token (range {low} to {high}), the frontend itself {own} ms, and {itl} ms between tokens: the floor of
this stack on this machine. TTFT measured by a client that shares its cores with the server is not a statement
on the server.

| case | predicted | AIPerf: mean, range | frontend: mean | error against the frontend |
|---|---:|---:|---:|---:|
"""


def main() -> None:
    """Read every pass and write."""
    passes = defaultdict(list)
    for path in sorted(RUNS.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        passes[record["case"]].append(record)
    floor = passes.pop("floor")
    every = [record for records in passes.values() for record in records]
    text = HEAD.format(
        model="Qwen3-32B (tp2)",
        gpu="H100",
        aiperf=every[0]["run"]["source"]["version"],
        repeats=min(len(records) for records in passes.values()),
        machine=every[0]["machine"],
        load=np.mean([record["load_average"] for record in every]),
    )
    for case, records in passes.items():
        text += itl_row(case, records)
    text += TTFT_HEAD.format(
        floor=f"{1e3 * np.mean(values(floor, 'ttft')):.1f}",
        low=f"{1e3 * min(values(floor, 'ttft')):.1f}",
        high=f"{1e3 * max(values(floor, 'ttft')):.1f}",
        own=f"{1e3 * np.mean(server(floor, 'ttft_s')):.1f}",
        itl=f"{1e3 * np.mean(values(floor, 'itl')):.2f}",
    )
    for case, records in passes.items():
        text += ttft_row(case, records)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text, encoding="utf-8")
    print(text)


def values(records: list[dict], metric: str) -> list[float]:
    """Measured means [s] of every pass."""
    return [record["run"][metric]["mean_s"] for record in records]


def server(records: list[dict], name: str) -> list[float]:
    """The frontend's own means [s]."""
    return [record["run"]["server"][name] for record in records]


def errors(records: list[dict], metric: str, measured: list[float]) -> np.ndarray:
    """predicted/measured - 1 of every pass."""
    said = [record[f"predicted_{metric}_s"] for record in records]
    return np.array(said) / np.array(measured) - 1.0


def itl_row(case: str, records: list[dict]) -> str:
    """One case's ITL."""
    got = values(records, "itl")
    off = errors(records, "itl", got)
    worst = off[np.argmax(np.abs(off))]
    return (
        f"| {case} | {records[0]['run']['num_requests']} | {1e3 * records[0]['predicted_itl_s']:.2f} ms "
        f"| {1e3 * np.mean(got):.2f} ms, {1e3 * min(got):.2f} to {1e3 * max(got):.2f} "
        f"| {100 * off.mean():+.1f}% | {100 * worst:+.1f}% "
        f"| {1e3 * np.mean(server(records, 'itl_s')):.2f} ms |\n"
    )


def ttft_row(case: str, records: list[dict]) -> str:
    """One case's TTFT."""
    got, own = values(records, "ttft"), server(records, "ttft_s")
    off = errors(records, "ttft", own)
    return (
        f"| {case} | {1e3 * records[0]['predicted_ttft_s']:.1f} ms "
        f"| {1e3 * np.mean(got):.1f} ms, {1e3 * min(got):.1f} to {1e3 * max(got):.1f} "
        f"| {1e3 * np.mean(own):.1f} ms | {100 * off.mean():+.0f}% |\n"
    )


if __name__ == "__main__":
    main()
