"""A benchmark's folder as a candidate: figures are those measured, the deployment is the predicted one."""

import json

import pytest

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.formats.benchmark_results.stored import run_document
from simkit.formats.measured_candidate import is_measured, measured_candidate

ABOUT = {
    "backend": "vllm",
    "mode": "agg",
    "num_gpus": 2,
    "replicas": 2,
    "plan": {"tp": 1},
    "engine": {"gemm_dtype": "bf16", "moe_dtype": "bf16", "kv_dtype": "bf16"},
    "concurrency": 8.0,
    "ttft_ms": {"mean": 1.0},
    "output_tokens_per_s": 1000.0,
    "cost_per_million_output_tokens": 3.0,
    "sla_probability": 0.9,
    "simulated": {"ttft_ms": {"mean": 1.0}},
    "bottleneck": "decode: gemm",
}
RUN = Run(
    source=Source(tool="aiperf", path="run"),
    isl_tokens=1000,
    osl_tokens=100,
    concurrency=8,
    num_requests=100,
    ttft=MeasuredSpread(mean_s=0.2, p90_s=0.3, std_s=0.1),
    itl=MeasuredSpread(mean_s=0.01),
    output_tokens_per_s=500.0,
)


@pytest.fixture
def folder(tmp_path):
    document = {"kind": "simkit.prediction", "about": ABOUT, "workload": {}, "bands": {}}
    (tmp_path / "prediction.json").write_text(json.dumps(document))
    (tmp_path / "run.json").write_text(json.dumps(run_document(RUN)))
    return tmp_path


def test_figures_are_those_measured(folder):
    assert is_measured(folder)
    found = measured_candidate(folder)
    assert found["ttft_ms"]["mean"] == pytest.approx(200)
    assert found["ttft_ms"]["p90"] == pytest.approx(300)
    assert found["ttft_ms"]["lo"] == pytest.approx(
        200 - 1.645 * 100 / 10
    )  # noise of a mean over 100 requests
    assert found["itl_ms"]["lo"] is None  # the tool did not say how far requests were apart
    assert found["e2e_ms"]["mean"] is None
    assert found["output_tokens_per_s_per_gpu"] == pytest.approx(250)
    assert found["tokens_per_s_per_user"] == pytest.approx(100)
    assert found["cost_per_million_output_tokens"] == pytest.approx(6.0)  # half the tokens for the same GPUs


def test_nothing_predicted_stays(folder):
    found = measured_candidate(folder)
    assert found["sla_probability"] is None and "simulated" not in found
    assert found["bottleneck"] == "not measured"
    assert (found["backend"], found["num_gpus"]) == ("vllm", 2)


def test_a_prediction_of_another_kind_is_refused(folder):
    (folder / "prediction.json").write_text('{"kind": "simkit.prediction", "about": {}}')
    with pytest.raises(InputError, match="says no deployment"):
        measured_candidate(folder)
