"""Write the step-time tables of the replay fixtures: tests/fixtures/replay/tables.json.

    python experiments/replay/tables.py

linear: simple enough to follow by hand. llama8b_h200: what simkit tells Dynamo's mocker about Llama-3.1-8B
with vLLM on one H200. nonlinear: a decode surface with a root, a step and a square, and wide intervals.
"""

import json
from pathlib import Path

import numpy as np

from perfmodels.parallel import ParallelPlan
from simkit.catalog.problems import build_problem
from simkit.closed_form.one_deployment import pool_model
from simkit.closed_form.planner_profile import EngineProfile, ProfileRanges, step_tables
from simkit.core.deployment import Aggregated, Pool
from simkit.core.request import Hardware, Request
from simkit.core.workload import Lengths, Workload
from simkit.engines.registry import default_engine

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "replay"
Arrays = dict[str, list[float]]


def linear() -> dict[str, np.ndarray]:
    """Prompts 10 ms and 20 us a token; decoding 5 ms and 0.1 us a token of cache."""
    tokens, kv, context = np.array([1.0, 16384.0]), np.array([0.0, 1e6]), np.array([1.0, 32768.0])
    return _named(tokens, 10.0 + 0.02 * tokens, kv, context, 5.0 + 1e-4 * kv[:, None] + 0.0 * context)


def nonlinear() -> dict[str, np.ndarray]:
    """Decoding grows as the cache's root, by a step at 60,000 tokens, as the square of the context."""
    tokens = np.array([1.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0])
    kv = np.concatenate([[0.0], np.geomspace(500.0, 1e6, 17).round()])
    context = np.array([1.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0])
    step = 10.0 / (1.0 + np.exp(-(kv - 6e4) / 4e3))
    decode = 4.0 + 0.02 * np.sqrt(kv)[:, None] + step[:, None] + 6.0 * (context / 8192.0) ** 2
    return _named(tokens, np.maximum(9.0, 6.0 + 0.012 * tokens + 1.5e-6 * tokens**2), kv, context, decode)


def llama8b_h200() -> dict[str, np.ndarray]:
    """The table of simkit's own model, on a grid of 20 by 20 points."""
    request = Request(
        model="meta-llama/Llama-3.1-8B-Instruct",
        backend="vllm",
        hardware=Hardware(gpu="h200_sxm", total_gpus=1),
        workload=Workload(isl_tokens=4000, osl_tokens=500),
    )
    problem = build_problem(request)
    pool = Pool(plan=ParallelPlan(), engine=default_engine("vllm"))
    engine = EngineProfile(model=pool_model(problem, Aggregated(worker=pool), pool), plan=pool.plan)
    ranges = ProfileRanges(
        max_context_tokens=16384, typical=Lengths(isl_tokens=4000.0, osl_tokens=500.0), grid_points=20
    )
    made = step_tables(engine, engine, ranges)
    return _named(
        made.prefill_tokens,
        made.prefill_s * 1e3,
        made.active_kv_tokens,
        made.context_tokens,
        made.decode_s * 1e3,
    )


def _named(
    tokens: np.ndarray, prefill_ms: np.ndarray, kv: np.ndarray, context: np.ndarray, decode_ms: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        "prefill_isl": tokens,
        "prefill_ttft_ms": prefill_ms,
        "decode_active_kv_tokens": kv,
        "decode_context_length": context,
        "decode_itl": decode_ms,
    }


def main() -> None:
    """Write the file; six significant digits."""
    made = {"linear": linear(), "llama8b_h200": llama8b_h200(), "nonlinear": nonlinear()}
    rounded = {
        name: {key: _rounded(values) for key, values in arrays.items()} for name, arrays in made.items()
    }
    FIXTURES.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f'"{name}": {json.dumps(arrays)}' for name, arrays in rounded.items())
    (FIXTURES / "tables.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def _rounded(values: np.ndarray) -> list[float] | list[list[float]]:
    flat = [float(f"{value:.6g}") for value in np.ravel(values)]
    return np.reshape(flat, np.shape(values)).tolist()


if __name__ == "__main__":
    main()
