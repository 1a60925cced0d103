"""A million operator times in one process: seconds beside plain NumPy work of the same size.

    python benchmarks/operators.py [--runs 7]

The yardstick is one np.exp over as many elements, timed in turn with the rest; medians over the runs.
Loading is timed in fresh processes, import of NumPy aside.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from perfmodels.op_times.families import FAMILIES
from simkit.catalog.gpus import gpu
from simkit.catalog.operators import learned_times

COUNT = 1_000_000
QUESTIONS = {
    "gemm": ("fp8", {"m": (1, 8192), "n": (64, 32768), "k": (64, 32768)}),
    "attention_decode": (
        "bf16/bf16/d128/full", {"seqs": (1, 512), "keys": (1, 65536), "heads": (8, 64), "kv_heads": (1, 8)},
    ),
    "moe": (
        "fp8_block/power_law_1.01",
        {
            "num_tokens": (1, 8192), "hidden": (2048, 7168), "inter": (512, 2048), "topk": (4, 8),
            "experts": (64, 256), "moe_tp": (1, 8), "ep": (1, 8),
        },
    ),
}  # fmt: skip
LOAD = (
    "from simkit.catalog.operators import operator_models as m; import numpy, time; a=time.perf_counter(); {}"
)


def sizes(ranges: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """Log-uniform sizes."""
    rng = np.random.default_rng(3)
    return {name: np.exp(rng.uniform(np.log(a), np.log(b), COUNT)) for name, (a, b) in ranges.items()}


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def loading_s() -> float:
    """Seconds to load one GPU's models in a fresh process."""
    code = LOAD.format("m('h200_sxm'); print(time.perf_counter()-a)")
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    times = learned_times(gpu("h200_sxm"), "vllm")
    asked = {name: (variant, sizes(ranges)) for name, (variant, ranges) in QUESTIONS.items()}
    found: dict[str, list[float]] = {name: [] for name in ("np.exp", *asked, "loading")}
    column = np.random.default_rng(1).uniform(0, 1, COUNT)
    for _ in range(runs):
        found["np.exp"].append(seconds(lambda: np.exp(column)))
        for name, (variant, dims) in asked.items():
            found[name].append(seconds(lambda v=variant, d=dims, n=name: times.time_s(FAMILIES[n], v, d)))
        found["loading"].append(loading_s())
    base = statistics.median(found["np.exp"])
    for name, values in found.items():
        middle = statistics.median(values)
        unit = f"{middle / base:6.1f} x np.exp" if name != "loading" else "one GPU, fresh process"
        sys.stdout.write(
            f"{name:<18} {middle:7.3f} s  (spread {min(values):.3f}-{max(values):.3f})  {unit}\n"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"peak memory of this process {peak:.0f} MB, million-row columns included\n")


if __name__ == "__main__":
    main()
