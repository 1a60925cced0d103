"""How many KV-cache tokens do engines print at start, and how many do we expect?

python experiments/memory/report.py      # part of `make reports`; writes docs/memory.md
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perfmodels.model.shape import CompressedAttention, GqaAttention, LinearAttention
from simkit.catalog.models import load_model
from simkit.core.errors import SimkitError
from simkit.engines.common import version_numbers
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from memory.kv_capacity import reported_capacity  # noqa: E402

REPORTS = "memory/kv_capacity_reports.csv"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One report beside our figure; why is empty when it counts."""

    report: dict[str, str]
    unit: str
    printed: float
    ours: float
    weights: tuple[float, float] | None
    why: str = ""

    @property
    def error(self) -> float:
        """Ours over printed, less one."""
        return self.ours / self.printed - 1.0


def in_gib(report: dict[str, str]) -> bool:
    """Whether tokens are no fair unit: most engines count them per group of layers where layers differ.

    SGLang prints those of the layers that keep all, whose pool it sizes beside the others.
    """
    kinds = load_model(report["model"]).shape.attention
    if any(isinstance(g, GqaAttention) and g.window_tokens for g in kinds):
        return True
    apart = any(isinstance(g, LinearAttention | CompressedAttention) for g in kinds)
    return apart and report["backend"] != "sglang"


def left_out(report: dict[str, str]) -> str:
    """Why a report cannot be compared; empty when it can."""
    printed = float(report["printed_kv_tokens"] or report["printed_kv_gib"] or 0)
    reasons = {
        "did not start": printed <= 0,
        "version not stated": _needs_version(report) and not report["backend_version"][:1].isdigit(),
        "older than the versions modelled": _is_old(report),
        "a pull request's own branch": report["case_id"].endswith(("_pr", "_main")),
        "memory fraction not stated": _no_fraction(report),
        "a draft takes memory beside": report["backend"] == "sglang" and _drafts(report),
        "decode context parallelism": "dcp" in report["case_id"],
        "tokens are per layer group": not report["printed_kv_gib"] and in_gib(report),
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def _is_old(report: dict[str, str]) -> bool:
    oldest = {"vllm": (0, 10, 0), "trtllm": (0, 20, 0)}.get(report["backend"], (0,))
    if report["backend"] == "sglang" and report["memory_frac"] == "default":
        oldest = (0, 5, 4)  # from where SGLang computes its own fraction as modelled
    return version_numbers(report["backend_version"]) < oldest


def _needs_version(report: dict[str, str]) -> bool:
    """Only with a fraction that is set does SGLang's cache hardly depend on the version."""
    return report["backend"] != "sglang" or report["memory_frac"] == "default"


def _no_fraction(report: dict[str, str]) -> bool:
    unknown = ("", "not stated") if report["backend"] == "sglang" else ("not stated",)
    return report["memory_frac"] in unknown


def _drafts(report: dict[str, str]) -> bool:
    return report["speculative"] not in ("", "none")


def compare(report: dict[str, str]) -> Compared | str:
    """The comparison, or why there is none."""
    try:
        ours = reported_capacity(report)
    except SimkitError as error:
        return str(error).partition(";")[0]
    why = left_out(report)
    if why == "did not start":
        return why
    tokens = bool(report["printed_kv_tokens"]) and not (in_gib(report) and report["printed_kv_gib"])
    weights = float(report["printed_weights_gib"]) if report["printed_weights_gib"] else None
    return Compared(
        report=report,
        unit="tokens" if tokens else "GiB",
        printed=float(report["printed_kv_tokens"] if tokens else report["printed_kv_gib"]),
        ours=ours.kv_tokens if tokens else ours.kv_gib,
        weights=(weights, ours.weights_gib) if weights else None,
        why=why,
    )


def deployment(report: dict[str, str]) -> tuple[str, ...]:
    """What makes two logs the same case: everything that decides the number but the context length."""
    minor = ".".join(report["backend_version"].split(".")[:2])
    names = ("model", "gpu", "backend", "tp", "pp", "attn_dp", "ep", "memory_frac", "kv_dtype")
    return (*[report[name] for name in names], minor)


def cases(compared: list[Compared]) -> list[Compared]:
    """One log per deployment, those that count."""
    seen: dict[tuple[str, ...], Compared] = {}
    for item in compared:
        if not item.why:
            seen.setdefault(deployment(item.report), item)
    return list(seen.values())


def read() -> tuple[list[Compared], dict[str, str]]:
    """All comparisons, and why the other reports have none."""
    with (data_dir() / REPORTS).open(newline="") as file:
        found = {report["case_id"]: compare(report) for report in csv.DictReader(file)}
    compared = [item for item in found.values() if isinstance(item, Compared)]
    return compared, {name: item for name, item in found.items() if isinstance(item, str)}


def row(item: Compared) -> str:
    """One line of the table."""
    r = item.report
    sizes = (("tp", r["tp"]), ("pp", r["pp"]), ("dp", r["attn_dp"]), ("ep", r["ep"]))
    split = " ".join(f"{label}{size}" for label, size in sizes if size)
    weights = f"{item.weights[0]:.1f} / {item.weights[1]:.1f}" if item.weights else ""
    form = ",.0f" if item.unit == "tokens" else ".1f"
    cells = [
        r["model"], r["gpu"], f"{r['backend']} {r['backend_version']}", split, r["memory_frac"],
        f"{item.printed:{form}}", f"{item.ours:{form}}", item.unit, f"{item.error:+.1%}",
        weights, r["source"], item.why,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


HEAD = """\
<!-- Regenerate with: make reports -->

# KV cache, ours against what engines print

What vLLM ("GPU KV cache size", "Available KV cache memory"), SGLang ("max_total_num_tokens") and
TensorRT-LLM ("Max tokens in paged KV cache") printed at start, from public logs ([all fields and
sources](../data/memory/kv_capacity_reports.csv)), beside `perfmodels/memory.py` and `kv_cache.py` with the
rules of `simkit/engines/engine_memory.py`. What vLLM keeps by version and what TensorRT-LLM keeps are
medians over these same logs, so their errors are in-sample.

SGLang's rules are read in its source, not fitted, but for 0.6 GiB that GPUs with peers miss before the
weights load (five logs: 0 to 1.0).

- Cache = fraction x (free before the weights) - weights as loaded. Graphs and activations live in the rest.
- Hybrid models: the cache is divided at start, 0.9 bytes for recurrent states per byte of keys and values
  (`--mamba-full-memory-ratio`). A running request holds three states, one without prefix cache.
- Sparse latents (DeepSeek-V3.2, GLM-5): 708 bytes per token and layer count in 8 bits, though 788 are
  allocated; the rest comes out of what was to stay free.
- DeepSeek-V4, bytes per token of one GPU, whatever its split: entries of 584 bytes (448 numbers in 8 bits,
  64 rotary in 16, 8 of scales), one for each 4 or 128 tokens by layer, an indexer's key of 132 beside the
  former, and for every layer a window of 128 entries. Windows have a tenth as many slots as there are
  tokens (`--swa-full-tokens-ratio`). A window of layers that compress by 4 keeps 8 rows of compressor state
  in float32 (10,240 bytes each, 16 rows with a draft). To 0.5.12 the layers that compress by 128 kept 128
  rows (4,096 bytes), the draft layer's window counted, and each stage of a pipeline held all layers. This
  gives the three numbers that logs print: 15,955.85 (Flash) and 23,749.84 (Pro) to 0.5.12, 9,259.90 (Flash
  with a draft) later.

Not modelled: the state of layers that compress by 128 since 0.5.13, which is set aside by request; vision
towers (0.4 to 1.3 GiB); copies that kernels make (AITER on AMD; 6 to 8 GiB of DeepSeek-V4-Pro's MXFP4
experts on H800, 3.4 GiB of Flash in FP8, not explained); SGLang's own fraction where it changed (before
0.5.4, and since about 0.5.10 it leaves 8 MiB more for each captured prefill size); drafts, whose logs are
left out.

TensorRT-LLM: the cache is a share of what is free after a profiled step. Few public logs of 0.20 and later
name version, GPU, model and fraction together; these are all that were found.
"""
COLUMNS = (
    "model", "GPU", "engine", "split", "memory", "printed", "ours", "unit", "error",
    "weights GiB printed / ours", "source", "left out because",
)  # fmt: skip


def summary(name: str, items: list[Compared]) -> str:
    """One line of errors."""
    errors = np.abs([item.error for item in items])
    weights = [abs(item.weights[1] / item.weights[0] - 1) for item in items if item.weights]
    own = f"{np.median(weights):.1%}" if weights else ""
    middle, tail = f"{np.median(errors):.1%}", f"{np.quantile(errors, 0.9):.1%}"
    return f"| {name} | {len(items)} | {middle} | {tail} | {own} |"


def main() -> None:
    """Write docs/memory.md."""
    compared, without = read()
    counted = cases(compared)
    groups = {"all": counted}
    for backend in ("vllm", "sglang", "trtllm"):
        groups[backend] = [item for item in counted if item.report["backend"] == backend]
    parts = [
        HEAD,
        f"{len(compared)} logs compared, {len(counted)} distinct deployments count:\n",
        "| | cases | median error | 90th percentile | weights: median error |",
        "|---|---:|---:|---:|---:|",
        *(summary(name, items) for name, items in groups.items() if items),
        f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}",
        *(row(item) for item in sorted(compared, key=lambda i: (i.report["backend"], i.report["case_id"]))),
        "\nNot compared:\n",
        *(f"- {name}: {reason}" for name, reason in sorted(without.items())),
    ]
    write_text_atomic(ROOT / "docs" / "memory.md", "\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
