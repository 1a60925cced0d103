"""Possible causes of a difference: each is a prediction under the assumption that the cause applies."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from perfmodels.hardware import tcp_path
from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.problem import Problem
from simkit.compare.diagnosis import Hypothesis, Signs, signs_of
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.errors import InfeasibleError
from simkit.core.estimate import Estimate
from simkit.core.measured import Run
from simkit.engines.registry import engine_spec

Means = Mapping[str, float]
_LAUNCH_S = 2e-5  # one operator in eager mode: some kernels, each dispatched from Python


def means_of(estimate: Estimate) -> dict[str, float]:
    """Mean TTFT and ITL [s] of an estimate."""
    return {"ttft": estimate.ttft.mean_s, "itl": estimate.itl.mean_s}


def hypotheses(problem: Problem, deployment: Deployment, run: Run, before: Means) -> list[Hypothesis]:
    """Every cause that can apply to this deployment and run; before is the prediction without any."""
    signs = signs_of(run)
    asked = _Asker(problem, deployment, before)
    found = [
        *_of_client(run, signs, before),
        *_of_cache(asked, run, signs),
        *_of_engine(asked),
        *_of_tokens(run, signs, before),
        *_of_protocol(asked, run),
    ]
    if isinstance(deployment, Disaggregated):
        found.append(_of_transfer(asked))
    return [*found, _of_speed(run, before)]


class _Asker:
    """Predicts the deployment with one thing changed; the prediction without it where that cannot run."""

    def __init__(self, problem: Problem, deployment: Deployment, before: Means) -> None:
        self.problem, self.deployment, self.before = problem, deployment, before

    def engines(self, **changes: Any) -> Means:
        """With every engine's options changed."""
        return self.pools(lambda pool: replace(pool, engine=replace(pool.engine, **changes)))

    def pools(self, changed: Callable[[Pool], Pool]) -> Means:
        """With every pool changed."""

        deployment = self.deployment
        if isinstance(deployment, Aggregated):
            return self._ask(self.problem, replace(deployment, worker=changed(deployment.worker)))
        both = replace(deployment, prefill=changed(deployment.prefill), decode=changed(deployment.decode))
        return self._ask(self.problem, both)

    @property
    def waiting_metric(self) -> str:
        """Where the server says how many requests wait."""
        names = engine_spec(self.deployment.backend).metrics.waiting
        return names[0] if names else "the number of requests that wait"

    def workload(self, **changes: Any) -> Means:
        """Under a changed workload."""
        request = self.problem.request
        workload = replace(request.workload, **changes)
        return self._ask(replace(self.problem, request=replace(request, workload=workload)), self.deployment)

    def eager(self) -> Means:
        """With every kernel dispatched by the host, step by step."""
        slow = tuple(
            replace(model, efficiency=replace(model.efficiency, eager_call_s=_LAUNCH_S))
            for model in self.problem.engines
            if model.efficiency.eager_call_s < _LAUNCH_S
        )
        asked = _Asker(
            replace(self.problem, engines=slow or self.problem.engines), self.deployment, self.before
        )
        return asked.engines(cuda_graphs=False)

    def over_tcp(self) -> Means:
        """With caches moved through the pod's network."""
        return self._ask(replace(self.problem, path=tcp_path()), self.deployment)

    def _ask(self, problem: Problem, deployment: Deployment) -> Means:
        try:
            return means_of(deployment_candidate(problem, deployment).estimate)
        except InfeasibleError:
            return self.before


def _of_client(run: Run, signs: Signs, before: Means) -> list[Hypothesis]:
    """The client or the network, not the server: what would be left is what the server itself saw."""
    server, ttft = run.server.ttft_s if run.server else None, run.ttft.mean_s
    if not ttft or not (server or run.client_delay_s):
        return []
    overhead = ttft - server if server else run.client_delay_s or 0.0
    means = {**before, "ttft": before["ttft"] + max(overhead, 0.0)}
    against = ""
    if server and ttft <= 1.05 * server:
        against = "client and server agree on TTFT"
    return [
        Hypothesis(
            name="client overhead",
            says="the benchmark's client or the network adds to TTFT",
            tell="run the client on a machine of its own, and read the server's own TTFT histogram",
            means=means,
            sign=signs.client_late,
            against=against,
        )
    ]


def _of_cache(asked: _Asker, run: Run, signs: Signs) -> list[Hypothesis]:
    """Too little room, or prompts found in the cache."""
    found = []
    slots = run.concurrency or 0.0
    for share in (0.5, 0.25):
        if slots >= 4:
            found.append(
                Hypothesis(
                    name="KV cache limit",
                    says=f"only about {share:.0%} of the requests run at once, the others wait for cache",
                    tell=f"read the engine's start-up line on cache size, and {asked.waiting_metric}",
                    means=asked.pools(partial(_limited, running=slots * share)),
                    sign=signs.cache_full,
                    against=signs.cache_room,
                )
            )
    cached = (run.server.cached_prompt_frac if run.server else None) or 0.5
    found.append(
        Hypothesis(
            name="prefix cache hits",
            says=f"{cached:.0%} of each prompt need not be computed",
            tell="benchmark with prompts that share nothing, or switch prefix caching off",
            means=asked.workload(prefix_hit=min(cached, 0.98)),
            sign=signs.prompts_cached,
            against=signs.prompts_fresh,
        )
    )
    return found


def _limited(pool: Pool, *, running: float) -> Pool:
    """The pool with room for so many requests over all its engines' ranks."""
    each = max(1, math.floor(running / (pool.replicas * pool.plan.attn_dp)))
    return replace(pool, engine=replace(pool.engine, max_num_seqs=min(pool.engine.max_num_seqs, each)))


def _of_engine(asked: _Asker) -> list[Hypothesis]:
    """Settings that the DGD does not show, or that were overridden."""
    mixed = asked.pools(_other_steps)
    small = asked.engines(max_num_batched_tokens=2048)
    eager = asked.eager()
    return [
        Hypothesis(
            name="chunked prefill",
            says="prompts share steps with decodes where they were thought not to, or the other way round",
            tell="start the engine with chunked prefill stated outright, and measure the same load",
            means=mixed,
        ),
        Hypothesis(
            name="token budget",
            says="a step takes 2,048 tokens at most, so prompts come in more pieces",
            tell="state --max-num-batched-tokens, and measure TTFT at one request in flight",
            means=small,
        ),
        Hypothesis(
            name="no CUDA graphs",
            says="steps are launched one kernel at a time (eager mode, or a batch beyond the captured sizes)",
            tell="look for --enforce-eager and the captured sizes in the log; measure ITL at one in flight",
            means=eager,
        ),
    ]


def _other_steps(pool: Pool) -> Pool:
    return replace(pool, engine=replace(pool.engine, mixed_steps=not pool.engine.mixed_steps))


def _of_tokens(run: Run, signs: Signs, before: Means) -> list[Hypothesis]:
    """Several tokens per step: speculative decoding."""
    icl, itl = run.icl.mean_s, run.itl.mean_s
    per_step = icl / itl if icl and itl and icl > 1.2 * itl else 1.8
    return [
        Hypothesis(
            name="speculative decoding",
            says=f"about {per_step:.1f} tokens come out of a step",
            tell="compare chunk gaps with ITL, and measure with speculation off",
            means={**before, "itl": before["itl"] / per_step},
            sign=signs.bundled,
            against=signs.single_tokens,
        )
    ]


def _of_protocol(asked: _Asker, run: Run) -> list[Hypothesis]:
    """How the load was driven: the opening burst in the mean, or not."""
    if run.concurrency is None:
        return []
    other = None if run.requests_per_slot else 10.0
    says = (
        "requests are spread in time: the burst at the start is not in the mean"
        if run.requests_per_slot
        else "the burst at the start is in the mean"
    )
    return [
        Hypothesis(
            name="benchmark procedure",
            says=says,
            tell="repeat with --warmup-request-count at the concurrency and 20 requests per slot",
            means=asked.workload(requests_per_slot=other),
        )
    ]


def _of_transfer(asked: _Asker) -> Hypothesis:
    return Hypothesis(
        name="KV transfer over TCP",
        says="caches move through the pods' network: RDMA is absent or not used",
        tell="look for the UCX transports in the prefill log; measure TTFT of one long prompt alone",
        means=asked.over_tcp(),
    )


def _of_speed(run: Run, before: Means) -> Hypothesis:
    """The same factor on everything: clocks, another GPU, another model than thought."""
    pairs = ((run.ttft.mean_s, before["ttft"]), (run.itl.mean_s, before["itl"]))
    logs = [math.log(got / said) for got, said in pairs if got and said > 0]
    factor = math.exp(sum(logs) / len(logs)) if logs else 1.0
    word = "slower" if factor > 1 else "faster"
    return Hypothesis(
        name="speed of the GPUs",
        says=f"everything is {abs(factor - 1):.0%} {word}: clocks, power cap, neighbours, or another model",
        tell="read clocks and power during the run (--gpu-telemetry pynvml)",
        means={name: value * factor for name, value in before.items()},
        # One free factor always fits something: it must do much better than a cause with a mechanism.
        against="" if len(logs) > 1 and abs(logs[0] - logs[1]) < 0.1 else "TTFT and ITL are not off alike",
    )
