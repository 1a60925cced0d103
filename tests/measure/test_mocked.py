"""What mocked engines are expected to do: the step times, behind the stack instead of a host."""

from dataclasses import replace

import pytest

from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.measure.benchmark import predict
from simkit.measure.mocked import STACK_REQUEST_S, as_mocked, mocked
from simkit.verbs.estimate import Layouts


@pytest.fixture(scope="module")
def prediction():
    load = Workload(isl_tokens=500, osl_tokens=64, concurrency=8)
    hardware = Hardware(gpu="h100_sxm", total_gpus=2)
    request = Request(model="Qwen/Qwen3-8B", backend="vllm", hardware=hardware, workload=load)
    return predict(request, Layouts(worker="tp1"))


def test_one_request_takes_the_stack_a_prefill_and_its_steps(prediction):
    alone = replace(prediction.workload, concurrency=1, requests_per_slot=5)
    played = mocked(prediction.problem, prediction.candidate, alone).estimate
    assert played.ttft.p99_s == pytest.approx(played.ttft.p50_s)  # nobody is in its way
    assert played.ttft.mean_s > STACK_REQUEST_S
    assert played.e2e.mean_s == pytest.approx(played.ttft.mean_s + 63 * played.itl.mean_s)


def test_equal_requests_stay_in_step_and_wait_for_each_other(prediction):
    alone = replace(prediction.workload, concurrency=1)
    one, eight = (
        mocked(prediction.problem, prediction.candidate, load).estimate
        for load in (alone, prediction.workload)
    )
    assert eight.ttft.mean_s > 2 * one.ttft.mean_s
    assert one.itl.mean_s < eight.itl.mean_s < 1.5 * one.itl.mean_s


def test_nothing_that_real_engines_taught_is_expected_of_mocked_ones(prediction):
    assert {model.residuals for model in as_mocked(prediction.problem).engines} == {None}
    again = mocked(prediction.problem, prediction.candidate, prediction.workload)
    assert again == mocked(prediction.problem, prediction.candidate, prediction.workload)
    before, after = prediction.candidate.estimate.itl, again.estimate.itl
    assert after.hi_s / after.lo_s == pytest.approx(before.hi_s / before.lo_s)
