"""Which KV cache do overloaded runs imply, when nobody printed it?

    python experiments/memory/implied.py      # part of `make reports`; writes docs/memory_implied.md

Qwen3-32B in BF16 on one H100 under SGLang holds 61 of 80 GB in weights. At 16 requests in flight most of
them wait for cache: the mean TTFT tells how many run at once, and so how many tokens the cache holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form import aggregated_loop
from simkit.closed_form.aggregated_loop import LoopTimes, Procedure
from simkit.closed_form.deployment_table import host_of
from simkit.closed_form.engine_speed import PhaseTimes, phase_times
from simkit.core.workload import Lengths
from simkit.engines.engine_memory import kv_reservation
from simkit.engines.engine_model import EngineModel
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic
from simkit.verbs.deployment_rows import blocks, complete_table, engine_model_of

ROOT = Path(__file__).resolve().parents[2]
PLAN = PlanArray.of([ParallelPlan()])


@dataclass(frozen=True, kw_only=True)
class Run:
    """One measured run with the engine evaluated at its lengths."""

    row: pd.Series
    model: EngineModel
    times: PhaseTimes
    lengths: Lengths
    procedure: Procedure

    def loop(self, kv_tokens: float) -> LoopTimes:
        """Latencies if the cache held `kv_tokens`."""
        held = self.row["isl_tokens"] + kv_reservation(self.model.engine) * self.row["osl_tokens"]
        times = replace(self.times, max_seqs=np.array([kv_tokens / held]))
        load = np.array([[float(self.row["concurrency"])]])
        return aggregated_loop.closed_loop(
            times, load, self.lengths, self.procedure, host_of(self.model, self.lengths)
        )

    def implied_tokens(self) -> float:
        """The cache at which the predicted TTFT is the measured one, by bisection."""
        low, high = 1500.0, 60_000.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            slower = self.loop(middle).ttft_s[0, 0] * 1e3 > self.row["ttft_ms_mean"]
            low, high = (middle, high) if slower else (low, middle)
        return high


def overloaded_runs() -> Iterator[Run]:
    """The five runs in question."""
    frame = pd.read_csv(data_dir() / "runs" / "serving_runs_fit.csv", low_memory=False)
    wanted = (frame["model"] == "Qwen/Qwen3-32B") & (frame["backend"] == "sglang") & (frame["tp"] == 1)
    frame = frame[wanted & (frame["gpu"] == "h100_sxm")].reset_index(drop=True)
    for block in blocks(complete_table(frame), np.arange(len(frame))):
        model = engine_model_of(block)
        for position in block.index:
            row = frame.iloc[position]
            lengths = Lengths(
                isl_tokens=np.array([float(row["isl_tokens"])]),
                osl_tokens=np.array([float(row["osl_tokens"])]),
            )
            times = phase_times(model, PLAN, lengths, "aggregated")
            yield Run(row=row, model=model, times=times, lengths=lengths, procedure=block.procedure)


def line(run: Run) -> str:
    """One line of the table."""
    tokens = run.implied_tokens()
    itl = run.loop(tokens).itl_s[0, 0] * 1e3
    row = run.row
    cells = [
        f"{row['isl_tokens']}/{row['osl_tokens']}",
        f"{row['ttft_ms_mean']:,.0f}",
        f"{row['itl_ms_mean']:.1f}",
    ]
    return f"| {' | '.join([*cells, f'{tokens:,.0f}', f'{itl:.1f}'])} |"


def main() -> None:
    """Write docs/memory_implied.md."""
    runs = list(overloaded_runs())
    default = float(runs[0].times.kv_capacity_tokens[0])
    engine = replace(runs[0].model.engine, memory_frac=0.8)
    lower = phase_times(replace(runs[0].model, engine=engine), PLAN, runs[0].lengths, "aggregated")
    parts = [
        "<!-- Regenerate with: make reports -->\n\n# The KV cache that overloaded runs imply\n",
        "Qwen3-32B in BF16, one H100, SGLang, 16 requests in flight: the cache at which our closed loop",
        "gives the measured mean TTFT, and the ITL it then gives.\n",
        "| ISL/OSL | TTFT ms, measured | ITL ms, measured | implied KV tokens | ITL ms, predicted |",
        "|---|---:|---:|---:|---:|",
        *map(line, runs),
        f"\nBy our memory model SGLang's own default would hold {default:,.0f} tokens, and",
        f"`--mem-fraction-static 0.8` {float(lower.kv_capacity_tokens[0]):,.0f}.",
        "The flag that these runs were started with is not recorded.",
    ]
    write_text_atomic(ROOT / "docs" / "memory_implied.md", "\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
