"""A candidate as a row of a table, as `predict` reads it."""

import csv
from pathlib import Path
from typing import Any

from asked_again.again import value_of
from asked_again.asking import ask
from asked_again.figures import Document, same


def predicted_row(words: list[str], candidate: Document, folder: Path) -> tuple[list[str], str]:
    """What `predict` says otherwise than a candidate, and the command."""
    row, table, out = _row(words, candidate), folder / "row.csv", folder / "predicted.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    answer = ask("predict", table, "-o", out, "--quiet")
    if answer.status:
        return [answer.err], answer.line
    found = next(csv.DictReader(out.open(newline="")))
    if found["error"]:
        return [found["error"]], answer.line
    said = {f"{metric}_ms.{part}": candidate[f"{metric}_ms"][part]
            for metric in ("ttft", "itl") for part in ("mean", "lo", "hi")}  # fmt: skip
    again = {name: _number(found[f"predicted_{name.replace('.', '_')}"]) for name in said}
    said["tok/s/GPU"] = candidate["output_tokens_per_s_per_gpu"]
    again["tok/s/GPU"] = _number(found["predicted_output_tokens_per_s_per_gpu"])
    return [f"{name} {said[name]} against {again[name]}" for name in said
            if not same(said[name], again[name], 2e-4)], answer.line  # fmt: skip


def _number(text: str) -> float | None:
    return float(text) if text not in ("", "inf", "nan") else None


def _row(words: list[str], candidate: Document) -> dict[str, Any]:
    rate, hits = value_of(words, "--request-rate"), value_of(words, "--prefix-hit")
    load = {"request_rate_per_s": rate} if rate else {"concurrency": candidate["concurrency"]}
    named = {"model": "--model", "gpu": "--gpu", "isl_tokens": "--isl", "osl_tokens": "--osl"}
    row: dict[str, Any] = {column: value_of(words, flag) for column, flag in named.items()}
    row |= {name: candidate[name] for name in ("backend", "mode", "num_gpus")}
    row |= {"protocol": "steady", **load}
    row |= {"prefix_hit": hits} if hits else {}
    if candidate["mode"] == "agg":
        engine = candidate["engine"]
        row |= candidate["plan"]
    else:
        engine = candidate["prefill"]["engine"]
        for side in ("prefill", "decode"):
            row |= {f"{side}_workers": candidate[side]["workers"]}
            row |= {f"{side}_{name}": value for name, value in candidate[side]["plan"].items()}
        row["decode_max_num_seqs"] = candidate["decode"]["engine"]["max_num_seqs"]
    names = ("max_num_seqs", "max_num_batched_tokens", "kv_dtype", "memory_frac")
    return row | {name: engine[name] for name in names}
