"""Questions and deployments drawn with a fixed seed, and a deployment written as each verb takes it.

A question is a model on one engine and GPU under one load. Its deployments are drawn from what the search
lists for it, so that the search has a point of its own for each of them.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from perfmodels.model.dtypes import Precision
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Deployment
from simkit.core.estimate import Candidate
from simkit.core.request import Hardware, Request, Tuning
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.io.threads import one_thread
from simkit.search.search import search
from simkit.verbs.estimate import Layouts

SEED, DEPLOYMENTS, PER_QUESTION = 20260731, 200, 12
ENGINES = ("vllm", "sglang", "trtllm")
HOPPER, BLACKWELL = ("h100_sxm", "h200_sxm"), ("b200_sxm",)
# Dense, grouped-query attention with experts, latent attention with experts, hybrids; plain and quantised.
MODELS = {
    "Qwen/Qwen3-32B": (*HOPPER, *BLACKWELL),
    "Qwen/Qwen3-32B-FP8": (*HOPPER, *BLACKWELL),
    "Qwen/Qwen3-30B-A3B": (*HOPPER, *BLACKWELL),
    "nvidia/Qwen3-30B-A3B-NVFP4": BLACKWELL,
    "openai/gpt-oss-120b": (*HOPPER, *BLACKWELL),
    "deepseek-ai/DeepSeek-V3": ("h200_sxm", *BLACKWELL),
    "deepseek-ai/DeepSeek-V2-Lite": HOPPER,
    "Qwen/Qwen3-Next-80B-A3B-Thinking": (*HOPPER, *BLACKWELL),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (*HOPPER, *BLACKWELL),
}
WIDE = ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B-FP8", "deepseek-ai/DeepSeek-V3")  # on eight GPUs, others on four
FORMATS = ("blank", "stated", "by name")
_NAMES = {"fp8_block": "fp8", "nvfp4": "fp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One deployment under one load: the question, what the search says of it, how a row states formats."""

    problem: Problem
    found: Candidate
    formats: str

    @property
    def deployment(self) -> Deployment:
        """The engines."""
        return self.found.deployment

    @property
    def closed(self) -> bool:
        """Whether a number of requests is kept in flight."""
        return self.problem.request.workload.concurrency is not None

    @property
    def name(self) -> str:
        """For messages."""
        request, load = self.problem.request, self.problem.request.workload
        layouts = " + ".join(f"{pool.replicas}x{pool.plan.label}" for pool in self.deployment.pools)
        flow = f"{load.concurrency:g} in flight" if self.closed else f"{load.request_rate_per_s:g}/s"
        lengths = f"{load.isl_tokens:g}/{load.osl_tokens:g}"
        where = f"{request.hardware.gpu} {self.deployment.backend} {layouts}"
        return f"{request.model} {where} {lengths} {flow}, formats {self.formats}"


def request_of(model: str, gpu: str, backend: str = "vllm", *, gpus: int = 8, **asked) -> Request:
    """A Request with the engine's own token budget; keywords are the workload's, or slo and so on."""
    other = {name: asked.pop(name) for name in ("slo", "optimization", "gpu_hour_price") if name in asked}
    return Request(
        model=model, backend=backend, hardware=Hardware(gpu=gpu, total_gpus=gpus),
        workload=Workload(**asked), tuning=Tuning(max_num_batched_tokens=8192), **other,
    )  # fmt: skip


@cache
def cases() -> tuple[Case, ...]:
    """The drawn deployments, PER_QUESTION of each question or as many as the search lists."""
    rng, found = np.random.default_rng(SEED), []
    for turn in range(len(ENGINES)):  # every model on another engine each time round
        for place, (model, gpus) in enumerate(MODELS.items()):
            if len(found) < DEPLOYMENTS:
                backend = ENGINES[(place + turn) % len(ENGINES)]
                found += _drawn(rng, model, str(rng.choice(gpus)), backend)
    return tuple(found[:DEPLOYMENTS])


def _drawn(rng: np.random.Generator, model: str, gpu: str, backend: str) -> list[Case]:
    load = {"isl_tokens": float(rng.choice([256, 1024, 3000])), "osl_tokens": float(rng.choice([64, 300]))}
    if rng.random() < 0.65:
        load["concurrency"] = float(rng.choice([1, 8, 50, 300]))
        if rng.random() < 0.4:
            load |= {"requests_per_slot": 5.0, "length_spread": 0.1}
    else:
        load["request_rate_per_s"] = float(rng.choice([0.5, 2.0, 6.0]))
    slo = Slo(ttft_s=1.0, itl_s=0.05)
    objective = "latency" if rng.random() < 0.5 else None  # fewest engines, or many
    gpus = 8 if model in WIDE else 4
    request = request_of(model, gpu, backend, gpus=gpus, slo=slo, optimization=objective, **load)
    problem = build_problem(request, SearchOptions(limit=60))
    with one_thread():
        listed = [item for item in search(problem).candidates if not item.estimate.overloaded]
    modes = {mode: [item for item in listed if item.deployment.mode == mode] for mode in ("agg", "disagg")}
    picked = []
    for items in modes.values():
        order = rng.permutation(len(items))[: PER_QUESTION // 2]
        picked += [items[i] for i in order]
    return [Case(problem=problem, found=item, formats=str(rng.choice(FORMATS))) for item in picked]


def layouts_of(deployment: Deployment) -> Layouts:
    """The deployment in short names, as `estimate --worker` or `--prefill` and `--decode` take them."""
    texts = [f"{pool.replicas}x{pool.plan.label}" for pool in deployment.pools]
    return Layouts(worker=texts[0]) if len(texts) == 1 else Layouts(prefill=texts[0], decode=texts[1])


def row_of(request: Request, deployment: Deployment, stored: Precision, formats: str = "blank") -> dict:
    """The deployment as one row of the table that `predict` takes."""
    load = request.workload
    row = {
        "model": request.model, "gpu": request.hardware.gpu, "backend": deployment.backend,
        "mode": deployment.mode, "num_gpus": deployment.num_gpus,
        "isl_tokens": load.isl_tokens, "osl_tokens": load.osl_tokens, "concurrency": load.concurrency,
        "requests_per_slot": load.requests_per_slot, "length_spread": load.length_spread,
        "max_num_batched_tokens": deployment.pools[0].engine.max_num_batched_tokens,
        "backend_version": deployment.pools[0].engine.version,
    }  # fmt: skip
    roles = ("",) if deployment.mode == "agg" else ("prefill_", "decode_")
    for role, pool in zip(roles, deployment.pools, strict=True):
        row |= {f"{role}{n}": getattr(pool.plan, n) for n in ("tp", "pp", "attn_dp", "moe_tp", "ep")}
        row |= {f"{role}workers": pool.replicas} if role else {}
    if formats == "stated":
        row |= {"gemm_dtype": stored.gemm, "moe_dtype": stored.moe}
    if formats == "by name":
        row |= {"precision": _NAMES.get(stored.moe, stored.moe)}
    return row
