"""Does the closed form agree with the simulator it stands for? Random deployments and loads, both ways.

python experiments/closed_form/compare.py --cases 2000      # writes reports/closed_form/README.md

Both get the same step times, memory model and host times; nothing measured takes part. A case is a model on
a GPU and engine, a plan that fits, lengths, a closed loop of a few to thirty requests a slot, and a load
between one request and twice what the cache holds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.engine_models import engine_model
from simkit.catalog.gpus import gpu as device
from simkit.catalog.models import load_model
from simkit.closed_form.aggregated_loop import Procedure, closed_loop
from simkit.closed_form.deployment_table import host_of
from simkit.closed_form.engine_speed import phase_times
from simkit.core.workload import mean_lengths
from simkit.engines.engine_model import EngineModel
from simkit.io.yamlio import write_text_atomic
from simkit.sim.cluster import Cluster, EnginePool, simulate
from simkit.sim.load.lengths import spread_length
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests
from simkit.sim.step_table import StepTable

OUT = Path(__file__).resolve().parents[2] / "reports" / "closed_form"
MODELS = {
    "meta-llama/Llama-3.1-8B-Instruct": (1, 2, 4), "meta-llama/Llama-3.1-70B": (2, 4, 8),
    "Qwen/Qwen3-32B": (1, 2, 4, 8), "openai/gpt-oss-120b": (1, 2, 4, 8), "deepseek-ai/DeepSeek-R1": (8,),
    "Qwen/Qwen3-30B-A3B": (1, 2, 4),
}  # fmt: skip
GPUS = ("h100_sxm", "h200_sxm", "b200_sxm", "a100_sxm")
MOST_REQUESTS = 6000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One random deployment under one load."""

    model: str
    gpu: str
    backend: str
    tp: int
    isl: int
    osl: int
    concurrency: int
    waves: int
    spread: float


def draw(rng: np.random.Generator) -> tuple[Case, EngineModel] | None:
    """A random case; None where the model does not fit."""
    model = str(rng.choice(list(MODELS)))
    tp = int(rng.choice(MODELS[model]))
    gpu, backend = str(rng.choice(GPUS)), str(rng.choice(["vllm", "sglang", "trtllm"]))
    isl, osl = (
        int(np.exp(rng.uniform(np.log(low), np.log(high)))) for low, high in ((64, 12_000), (16, 2000))
    )
    engine = engine_model(load_model(model), device(gpu), backend)
    spread = float(rng.choice([0.0, 0.2, 0.5]))
    plan = PlanArray.of([plan_of(model, tp)])
    times = phase_times(
        engine, plan, mean_lengths(np.asarray(float(isl)), np.asarray(float(osl)), spread), "aggregated"
    )
    if times.max_seqs[0] < 1:
        return None
    most = min(2.0 * times.max_seqs[0], 512.0)
    concurrency = max(int(np.exp(rng.uniform(0, np.log(max(most, 1.5))))), 1)
    waves = int(rng.choice([3, 10, 30]))
    return (
        Case(model=model, gpu=gpu, backend=backend, tp=tp, isl=isl, osl=osl, concurrency=concurrency,
             waves=max(min(waves, MOST_REQUESTS // concurrency), 2), spread=spread),
        engine,
    )  # fmt: skip


def plan_of(model: str, tp: int) -> ParallelPlan:
    """Tensor parallel, experts as well."""
    return ParallelPlan(tp=tp, moe_tp=tp) if load_model(model).shape.is_moe else ParallelPlan(tp=tp)


def closed(case: Case, engine: EngineModel) -> dict[str, float]:
    """Means of the closed form, and what it knows of its own weak spots."""
    lengths = mean_lengths(np.asarray(float(case.isl)), np.asarray(float(case.osl)), case.spread)
    times = phase_times(engine, PlanArray.of([plan_of(case.model, case.tp)]), lengths, "aggregated")
    procedure = Procedure(requests_per_slot=case.waves, length_spread=case.spread)
    loop = closed_loop(
        times, np.array([[float(case.concurrency)]]), lengths, procedure, host_of(engine, lengths)
    )
    return {
        "closed_ttft_s": float(loop.ttft_s[0, 0]), "closed_itl_s": float(loop.itl_s[0, 0]),
        "batch": float(loop.batch[0, 0]), "share": float(loop.prefill_share[0, 0]),
        "max_seqs": float(times.max_seqs[0]), "step_s": float(times.decode_at(loop.batch)[0, 0]),
        "prefill_s": float(times.prefill_s[0]), "burst_s": float(times.burst_prefill_s[0]),
        "together": float(times.together[0]), "doubtful": float(np.max(getattr(loop, "doubtful", 0.0))),
    }  # fmt: skip


def simulated(case: Case, engine: EngineModel, seed: int) -> dict[str, float]:
    """Means over all requests of one simulation."""
    plan = plan_of(case.model, case.tp)
    lengths = mean_lengths(np.asarray(float(case.isl)), np.asarray(float(case.osl)), case.spread)
    times = phase_times(engine, PlanArray.of([plan]), lengths, "aggregated")
    policy = SchedulerPolicy.of(engine.engine, engine.efficiency, float(times.kv_capacity_tokens[0]))
    cluster = Cluster(pools=(EnginePool(table=StepTable.of(engine, plan), policy=policy),))
    rng, count = np.random.default_rng(seed), case.concurrency * case.waves
    requests = Requests.unshared(
        arrival_s=np.zeros(count),
        isl_tokens=spread_length(case.isl, case.spread).draw(rng, count),
        osl_tokens=spread_length(case.osl, case.spread).draw(rng, count),
    )
    found = simulate(cluster, requests, concurrency=case.concurrency, seed=seed)
    return {
        "ttft_s": float(np.mean(found.times.ttft_s)),
        "itl_s": float(np.nanmean(found.times.itl_s)),
        "preemptions": float(np.mean(found.times.preemptions)),
    }


def one(seed: int) -> dict[str, object] | None:
    """One row of the comparison."""
    drawn = draw(np.random.default_rng(seed))
    if drawn is None:
        return None
    case, engine = drawn
    fields = {name: getattr(case, name) for name in case.__dataclass_fields__}
    return {"seed": seed, **fields, **closed(case, engine), **simulated(case, engine, seed)}


def main() -> None:
    """Compare, and write the table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    rows = Parallel(n_jobs=2)(
        delayed(one)(seed) for seed in range(arguments.first, arguments.first + arguments.cases)
    )
    frame = pd.DataFrame([row for row in rows if row is not None])
    if arguments.csv:
        frame.to_csv(arguments.csv, index=False)
    lines = [line("all", frame), line("where it trusts itself", frame[frame["doubtful"] == 0])]
    lines += [line("where it says it is doubtful", frame[frame["doubtful"] > 0])]
    lines += [line(f"{name}", rows) for name, rows in frame.groupby("backend")]
    text = TEXT.format(command=f"python experiments/closed_form/compare.py --cases {arguments.cases}")
    write_text_atomic(OUT / "README.md", "\n".join([text, *lines]) + "\n")
    print("\n".join(lines))


TEXT = """\
<!-- Regenerate with: {command} -->

# The closed form beside the simulator

Random deployments (six models, four GPUs, three engines) under random closed loops: mean TTFT and mean ITL
of the closed form over those of the request-level simulator, which gets the same step times, memory and
host times. Absolute errors, median / 90th percentile. It is doubtful where prompts take more than 0.4 of
the time, outputs are shorter than 64 tokens, or requests of equal length move in step.

| | n | TTFT | ITL |
|---|---:|---:|---:|"""


def line(name: str, frame: pd.DataFrame) -> str:
    """One line of the table."""
    cells = []
    for metric in ("ttft", "itl"):
        error = np.abs(frame[f"closed_{metric}_s"] / frame[f"{metric}_s"] - 1).dropna()
        cells.append(f"{error.median():.1%} / {error.quantile(0.9):.0%}")
    return f"| {name} | {len(frame):,} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
