"""Small recommendations made by hand."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.estimate import Candidate, Estimate, Latency, Recommendation, Rejection
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine

GIB = 2**30
HOSTILE = "evil/<script>alert(1)</script>|`$(touch pwned)`' [red]$x_$\n# rm -rf"


def latency(mean_s):
    return Latency(
        mean_s=mean_s,
        p50_s=0.9 * mean_s,
        p75_s=1.2 * mean_s,
        p90_s=1.6 * mean_s,
        p95_s=2.0 * mean_s,
        p99_s=2.5 * mean_s,
        lo_s=0.8 * mean_s,
        hi_s=1.3 * mean_s,
    )


def estimate(*, ttft_s=0.4, itl_s=0.02, osl=1000, gpus=8, concurrency=64.0, **changes):
    e2e = ttft_s + itl_s * (osl - 1)
    tokens = concurrency / e2e * osl
    base = Estimate(
        concurrency=concurrency,
        ttft=latency(ttft_s),
        itl=latency(itl_s),
        e2e=latency(e2e),
        output_tokens_per_s=tokens,
        output_tokens_per_s_per_gpu=tokens / gpus,
        tokens_per_s_per_user=1 / itl_s,
        request_rate_per_s=concurrency / e2e,
        memory_bytes={
            "weights": 15.26 * GIB,
            "kv": 96.5 * GIB,
            "activations": 3.1 * GIB,
            "runtime": 4.0 * GIB,
        },
        kv_capacity_tokens=1_482_752.0,
        sla_probability=0.93,
        in_domain=True,
        bottleneck="decode: HBM bandwidth (weights)",
    )
    return replace(base, **changes)


def aggregated(backend="vllm", replicas=2, tp=4, **plan):
    pool = Pool(plan=ParallelPlan(tp=tp, **plan), engine=default_engine(backend), replicas=replicas)
    return Aggregated(worker=pool, precision=Precision(gemm="fp8", moe="fp8", kv="fp8"))


def disaggregated(backend="trtllm", prefill=(3, 2), decode=(1, 4)):
    engine = default_engine(backend)
    pools = [Pool(plan=ParallelPlan(tp=tp), engine=engine, replicas=n) for n, tp in (prefill, decode)]
    return Disaggregated(prefill=pools[0], decode=pools[1])


def candidates():
    """Twelve candidates: each faster for the user and worse in tokens per GPU, four of them dominated."""
    layouts = [
        aggregated(),
        disaggregated("vllm"),
        disaggregated("trtllm", (12, 2), (10, 16)),
        aggregated("sglang", 1, 1, attn_dp=8, ep=8),
    ]
    found = []
    for index in range(12):
        layout = layouts[index % 4]
        itl_s = 0.026 * 0.84**index
        tokens = 1032 * 0.86**index * (0.7 if index % 3 == 2 else 1.0)
        numbers = estimate(
            ttft_s=0.31 * 1.35**index,
            itl_s=itl_s,
            output_tokens_per_s_per_gpu=tokens,
            output_tokens_per_s=tokens * layout.num_gpus,
            sla_probability=0.99 - 0.08 * index,
            in_domain=index % 5 != 3,
        )
        found.append(Candidate(deployment=layout, estimate=numbers, meets_sla=index < 7))
    return tuple(found)


def make_recommendation(*, model="Qwen/Qwen3-32B", workload=None, **changes):
    request = Request(
        model=model,
        hardware=Hardware(gpu="h200_sxm", total_gpus=8, gpus_per_node=8),
        workload=workload or Workload(isl_tokens=4000, osl_tokens=1000),
        slo=Slo(ttft_s=2.0, itl_s=0.03),
        warnings=("sla.e2eLatency is ignored while ttft and itl are set; remove it to silence this line",),
    )
    found = candidates()
    base = Recommendation(
        request=request,
        candidates=found,
        pareto=tuple(item for i, item in enumerate(found) if i % 3 != 2 or i == 11),
        rejected=(
            Rejection(
                reason="weights and KV cache do not fit",
                count=48,
                nearest="sglang agg 8 x tp1: 3.2 GiB short",
            ),
            Rejection(
                reason="ITL above the bound", count=131, nearest="vllm agg 4 x tp2: 31.2 ms, bound 30 ms"
            ),
        ),
        meets_sla=True,
        explanation=(
            "vLLM with 2 x tp4 gives 312 output tokens/s per GPU, the most of 203 configurations that hold "
            "TTFT <= 2,000 ms and ITL <= 30 ms.",
            "Decode is bound by HBM bandwidth: more concurrency raises throughput until ITL is at its bound.",
        ),
        versions={"simkit": "0.1.0", "operator models": "2026.1", "vllm": "0.24.0"},
    )
    return replace(base, **changes)


@pytest.fixture(scope="session")
def make():
    """Makes a recommendation with some fields changed."""
    return make_recommendation


@pytest.fixture(scope="session")
def rec():
    return make_recommendation()


@pytest.fixture(scope="session")
def hostile():
    return make_recommendation(
        model=HOSTILE,
        explanation=(HOSTILE,),
        rejected=(Rejection(reason=HOSTILE, count=1, nearest=HOSTILE),),
        versions={HOSTILE: HOSTILE},
    )


@pytest.fixture
def printed():
    """Text that a view prints on a plain terminal of the given width."""

    def run(view, *args, width=100, **kwargs):
        stream = io.StringIO()
        view(*args, Console(file=stream, width=width, force_terminal=False), **kwargs)
        return stream.getvalue()

    return run
