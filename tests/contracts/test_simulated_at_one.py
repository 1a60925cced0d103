"""With one request in flight nothing waits for anything: the simulator and the closed form say the same."""

import pytest
from deployments import request_of

import simkit
from simkit.verbs.estimate import Layouts
from simkit.verbs.loads import LoadOptions
from simkit.verbs.simulate import SimulateOptions

TWO_PERCENT = 0.02
LENGTHS = {"isl_tokens": 1500.0, "osl_tokens": 200.0, "concurrency": 1.0}
QUESTIONS = [
    (model, gpu, backend, layout)
    for place, (model, gpu, agg, disagg) in enumerate(
        (
            ("Qwen/Qwen3-32B", "h100_sxm", "1xtp2", ("1xtp2", "1xtp4")),
            ("Qwen/Qwen3-30B-A3B", "h200_sxm", "1xtp4", ("1xtp2", "1xdep2")),
            ("openai/gpt-oss-120b", "b200_sxm", "1xtp2", ("1xtp1", "1xtp2")),
            ("deepseek-ai/DeepSeek-V3", "b200_sxm", "1xtep8", ("1xtp8", "1xtp8")),
            ("Qwen/Qwen3-Next-80B-A3B-Thinking", "h200_sxm", "1xtp4", ("1xtp4", "1xtp4")),
        )
    )
    for turn, backend in enumerate(("vllm", "sglang", "trtllm"))
    if (place + turn) % 3  # two engines a model
    for layout in (Layouts(worker=agg), Layouts(prefill=disagg[0], decode=disagg[1]))
]


def test_one_request_in_flight_takes_as_long_in_the_simulator_as_in_the_closed_form():
    far = []
    for model, gpu, backend, layout in QUESTIONS:
        request = request_of(model, gpu, backend, gpus=16, **LENGTHS)
        said = simkit.estimate(request, layout).candidate.estimate
        options = SimulateOptions(load=LoadOptions(requests=2))
        found = simkit.simulate(request, layout, options).run.summary.distributions
        for name, mean_s in (("ttft_s", said.ttft.mean_s), ("itl_s", said.itl.mean_s)):
            gap = found[name].mean / mean_s - 1.0
            if abs(gap) > TWO_PERCENT:
                where = f"{model} {gpu} {backend} {layout.worker or f'{layout.prefill} + {layout.decode}'}"
                far.append(
                    (abs(gap), f"{where} {name}: {found[name].mean:.5f} against {mean_s:.5f} ({gap:+.1%})")
                )
    worst = "\n".join(text for _, text in sorted(far, reverse=True)[:12])
    assert not far, f"{len(far)} of {2 * len(QUESTIONS)} are further apart than 2 %:\n{worst}"


@pytest.mark.parametrize("layout", [Layouts(worker="1xtp2"), Layouts(prefill="1xtp2", decode="1xtp2")])
def test_the_closed_form_beside_a_simulation_is_the_estimate(layout):
    """The columns of `simulate` under its own procedure, and `estimate` asked for the same procedure."""
    request = request_of("Qwen/Qwen3-32B", "h100_sxm", isl_tokens=1500.0, osl_tokens=200.0, concurrency=16.0)
    beside = simkit.simulate(request, layout).closed_form["steady"].estimate
    said = simkit.estimate(request, layout).candidate.estimate
    assert beside.ttft.mean_s == pytest.approx(said.ttft.mean_s, rel=1e-9)
    assert beside.itl.mean_s == pytest.approx(said.itl.mean_s, rel=1e-9)
    assert beside.request_rate_per_s == pytest.approx(said.request_rate_per_s, rel=1e-9)
