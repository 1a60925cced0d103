"""How far apart are engines that do the same work? Ratios of ITL and TTFT, and times against the roofline.

    python benchmarks/side_by_side.py                # half a minute
    python benchmarks/side_by_side.py --worst 20     # the points that lie furthest apart

Every model in its native formats on every GPU, split over the fewest GPUs that hold it on all engines, under
1, 16 and 64 requests in flight. A ratio is the slowest engine's latency over the quickest's.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from perfmodels.arrays import FloatArray
from perfmodels.hardware import Device
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.engine_models import engine_model, served_precision
from simkit.catalog.gpus import gpu
from simkit.catalog.models import Model, load_model
from simkit.closed_form.aggregated_loop import Procedure
from simkit.closed_form.deployment_table import PoolRows, row_outcomes, row_work
from simkit.closed_form.engine_speed import plan_capacity
from simkit.closed_form.outcomes import Outcomes
from simkit.core.workload import Lengths
from simkit.engines.engine_model import EngineModel
from simkit.engines.support import unsupported

MODELS = (
    "Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B", "Qwen/Qwen3-32B",
    "Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B-FP8", "Qwen/Qwen3-235B-A22B-FP8",
    "Qwen/Qwen3-Next-80B-A3B-Thinking", "Qwen/Qwen3.5-397B-A17B", "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.3-70B-Instruct", "nvidia/Llama-3.3-70B-Instruct-FP8",
    "nvidia/Llama-3.3-70B-Instruct-NVFP4", "mistralai/Mixtral-8x7B-v0.1", "openai/gpt-oss-20b",
    "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V3",
    "nvidia/DeepSeek-R1-NVFP4", "moonshotai/Kimi-K2-Instruct", "zai-org/GLM-4.5-Air",
    "MiniMaxAI/MiniMax-M2.5",
)  # fmt: skip
GPUS = ("a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm", "gb200", "gb300")
ENGINES = ("vllm", "sglang", "trtllm")
LOADS = np.array([1.0, 16.0, 64.0])
LENGTHS = Lengths(isl_tokens=1024.0, osl_tokens=1024.0)
SIZES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A model on a GPU, the engines that serve it there and the fewest ranks that hold it on all of them."""

    model: Model
    device: Device
    engines: tuple[EngineModel, ...]
    plan: ParallelPlan


def places(models: Sequence[str], gpus: Sequence[str]) -> Iterator[Place]:
    """Every model on every GPU where two engines or more hold it."""
    for name in models:
        model = load_model(name)
        for device in map(gpu, gpus):
            able = [e for e in ENGINES if not unsupported(e, device, served_precision(model.precision, e))]
            engines = tuple(engine_model(model, device, engine) for engine in able)
            plan = _smallest(model, engines)
            if plan is not None and len(engines) > 1:
                yield Place(model=model, device=device, engines=engines, plan=plan)


def _smallest(model: Model, engines: tuple[EngineModel, ...]) -> ParallelPlan | None:
    for tp in SIZES:
        plan = ParallelPlan(tp=tp, moe_tp=tp) if model.shape.is_moe else ParallelPlan(tp=tp)
        rooms = [plan_capacity(engine, PlanArray.of([plan]), LENGTHS, "decode") for engine in engines]
        if all(room.max_seqs[0] >= LOADS[-1] / 4 for room in rooms):
            return plan
    return None


def latencies(engine: EngineModel, plan: ParallelPlan, loads: FloatArray, *, corrected: bool) -> Outcomes:
    """What comes of one engine under every load."""
    rows = PoolRows(plan=PlanArray.of([plan] * len(loads)), workers=np.ones(len(loads)))
    return row_outcomes(row_work(engine, (rows,), (LENGTHS, loads), Procedure()), corrected=corrected)


def table(models: Sequence[str], gpus: Sequence[str], *, corrected: bool) -> pd.DataFrame:
    """One row per model, GPU, load and engine."""
    rows = []
    for place in places(models, gpus):
        for engine in place.engines:
            found = latencies(engine, place.plan, LOADS, corrected=corrected)
            for i, load in enumerate(LOADS):
                key = (place.model.name, place.device.name, place.plan.tp, int(load), engine.engine.backend)
                rows.append((*key, found.ttft_s[i] * 1e3, found.itl_s[i] * 1e3))
    return pd.DataFrame(rows, columns=["model", "gpu", "tp", "load", "engine", "ttft_ms", "itl_ms"])


def spreads(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per model, GPU and load: latencies by engine, and the slowest over the quickest."""
    wide = frame.pivot_table(index=["model", "gpu", "tp", "load"], columns="engine", values=column)
    return wide.assign(ratio=wide.max(axis=1) / wide.min(axis=1))


def _line(name: str, ratios: FloatArray) -> str:
    quantiles = np.quantile(ratios, (0.5, 0.9, 1.0))
    shown = "  ".join(
        f"{label} {q:5.2f}" for label, q in zip(("median", "p90", "worst"), quantiles, strict=True)
    )
    return f"{name:<28} n {len(ratios):4d}  {shown}"


def report(frame: pd.DataFrame, worst: int) -> None:
    """Print ratios of both latencies, by pair of engines too, and the widest points."""
    itl, ttft = spreads(frame, "itl_ms"), spreads(frame, "ttft_ms")
    alone = ttft[ttft.index.get_level_values("load") == 1]
    for name, wide in (("ITL", itl), ("TTFT, one request", alone), ("TTFT, every load", ttft)):
        print(_line(name, wide["ratio"].to_numpy()))
        for a, b in combinations(ENGINES, 2):
            pair = np.abs(np.log((wide[a] / wide[b]).dropna().to_numpy()))
            print(_line(f"  {a} - {b}", np.exp(pair)))
    for wide in (itl, alone) if worst else ():
        print(wide.sort_values("ratio", ascending=False).head(worst).round(2).to_string())
    small = frame[
        (frame["load"] == 1) & (frame["gpu"] != "a100_sxm") & frame["model"].isin(MODELS[:4] + MODELS[11:12])
    ]
    quickest = small.sort_values("ttft_ms", ascending=False).head(max(worst, 1))
    print(f"TTFT of 0.6-8 B, one request, Hopper and Blackwell: worst {small['ttft_ms'].max():.0f} ms")
    print(quickest.round(1).to_string(index=False))


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worst", type=int, default=0, help="show so many of the widest points")
    parser.add_argument("--uncorrected", action="store_true", help="without what measured runs correct")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--gpus", nargs="+", default=GPUS)
    asked = parser.parse_args()
    frame = table(asked.models, asked.gpus, corrected=not asked.uncorrected)
    report(frame, asked.worst)


if __name__ == "__main__":
    sys.exit(main())
