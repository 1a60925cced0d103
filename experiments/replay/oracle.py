"""dynamo.replay of another Python: its command line, its reports."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case
from loads import BLOCK_TOKENS, Load

VERSION = "1.4.2"
STATISTICS = {"ttft_ms": "ttft_ms", "itl_ms": "tpot_ms", "gap_ms": "itl_ms", "e2e_ms": "e2e_latency_ms"}
DIGITS = 4


def check_version(python: Path) -> None:
    """Raise SystemExit where that Python has another ai-dynamo, or none."""
    code = "from importlib.metadata import version; print(version('ai-dynamo'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.stdout.strip() != VERSION:
        raise SystemExit(f"{python}: found ai-dynamo {done.stdout.strip() or 'nowhere'}, expected {VERSION}")


def arguments(case: Case) -> list[str]:
    """Of `python -m dynamo.replay`, in a folder with trace.jsonl and table.npz."""
    made = ["--input-tokens", str(case.load.isl[0]), "--output-tokens", str(case.load.osl[0])]
    made += ["--request-count", str(len(case.load))]
    parts = made if case.generated else ["trace.jsonl"]
    if case.concurrency is not None:
        parts += ["--replay-concurrency", str(case.concurrency)]
    elif case.generated:
        parts += ["--arrival-interval-ms", f"{case.load.arrival_ms[1]:g}"]
    for flag, role, count, options in _pools(case):
        settings = {"planner_profile_data": "table.npz", **role, **options}
        parts += [f"--{flag}-engine-args", json.dumps(settings)]
        parts += [f"--num-{'' if flag == 'extra' else flag + '-'}workers", str(count)]
    return parts


def _pools(case: Case) -> list[tuple[str, dict[str, str], int, dict[str, Any]]]:
    if case.decode_workers == 0:
        return [("extra", {}, case.workers, case.engine)]
    return [
        ("prefill", {"worker_type": "prefill"}, case.prefill_workers, case.prefill),
        ("decode", {"worker_type": "decode"}, case.decode_workers, case.decode),
    ]


def run(python: Path, case: Case, table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Replay one case; the report's statistics, and each request's times where it names them."""
    np.savez(folder / "table.npz", **{name: np.array(values) for name, values in table.items()})
    (folder / "trace.jsonl").write_text("".join(_lines(case.load)), encoding="utf-8")
    command = [str(python), "-m", "dynamo.replay", *arguments(case), "--report-json", "report.json"]
    command += [] if case.generated else ["--report-jsonl", "requests.jsonl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{case.name}: dynamo.replay failed: {done.stderr[-2000:]}")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if report["completed_requests"] != len(case.load):
        raise SystemExit(f"{case.name}: {report['completed_requests']} of {len(case.load)} requests finished")
    lines = [] if case.generated else (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return {"report": _report(report), "requests": _requests([json.loads(line) for line in lines])}


def _lines(load: Load) -> list[str]:
    """The trace; prompts that share nothing get ids of their own."""
    lines, fresh = [], 1
    for index, isl in enumerate(load.isl):
        blocks = -(-isl // BLOCK_TOKENS)
        ids = load.hash_ids[index] if load.hash_ids else list(range(fresh, fresh + blocks))
        fresh += blocks
        row = {
            "timestamp": load.arrival_ms[index],
            "input_length": isl,
            "output_length": load.osl[index],
            "hash_ids": ids,
        }
        lines.append(json.dumps(row) + "\n")
    return lines


def _report(report: dict[str, Any]) -> dict[str, Any]:
    """Mean, median, 90th and 99th percentile, and totals."""
    kept: dict[str, Any] = {
        name: {
            mark: round(report[f"{theirs}_{key}"], DIGITS)
            for mark, theirs in (("mean", "mean"), ("p50", "median"), ("p90", "p90"), ("p99", "p99"))
        }
        for name, key in STATISTICS.items()
    }
    kept["requests"] = report["completed_requests"]
    kept["duration_ms"] = round(report["duration_ms"], DIGITS)
    kept["output_tokens_per_s"] = round(report["output_throughput_tok_s"], DIGITS)
    kept["reused_frac"] = round(report["prefix_cache_reused_ratio"], 6)
    return kept


def _requests(lines: list[dict[str, Any]]) -> list[list[float]] | None:
    """Arrival, first token, last token of every request, sorted: the report does not keep their order."""
    names = ("arrival_time_ms", "first_token_ms", "last_token_ms")
    return sorted([round(line[name], DIGITS) for name in names] for line in lines) or None
