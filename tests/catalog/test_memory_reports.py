"""KV cache against what engines printed, and sizes against what publishers state."""

import csv
import runpy
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from perfmodels.efficiency import Efficiency
from perfmodels.model.params import total_params
from simkit.catalog.calibrations import ERRORS, FACTORS, artifact
from simkit.catalog.models import load_model
from simkit.engines.registry import engine_names

ROOT = Path(__file__).resolve().parents[2]
ROUNDING = 0.01  # published totals are rounded; one in a hundred is asked for
# Published totals that count what we leave out (MTP modules, vision towers) or are rounded further.
EXPLAINED = {
    "meta-llama/Llama-4-Scout-17B-16E-Instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking", "Qwen/Qwen3-1.7B",
    "deepseek-ai/DeepSeek-V4-Pro", "moonshotai/Kimi-K2-Instruct", "Qwen/Qwen3.5-35B-A3B",
}  # fmt: skip


def published():
    with (ROOT / "data" / "published_sizes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("entry", published(), ids=lambda entry: entry["id"])
def test_parameters_match_the_published_total(entry):
    ours = total_params(load_model(entry["id"]).shape) / 1e9
    tolerance = 3 * ROUNDING if entry["id"] in EXPLAINED else ROUNDING
    assert ours == pytest.approx(float(entry["total_b"]), rel=tolerance)


def test_at_least_forty_models_are_compared():
    assert len(published()) >= 40


def test_kv_capacity_against_printed_logs():
    report = runpy.run_path(str(ROOT / "experiments" / "memory" / "report.py"))
    compared, _ = report["read"]()
    errors = np.abs([item.error for item in report["cases"](compared)])
    assert len(errors) >= 75
    assert np.median(errors) <= 0.018
    assert np.quantile(errors, 0.9) <= 0.15


@pytest.mark.parametrize(
    ("backend", "count", "middle"), [("vllm", 50, 0.012), ("sglang", 22, 0.045), ("trtllm", 4, 0.02)]
)
def test_each_engines_printed_logs(backend, count, middle):
    report = runpy.run_path(str(ROOT / "experiments" / "memory" / "report.py"))
    cases = [item for item in report["cases"](report["read"]()[0]) if item.report["backend"] == backend]
    assert len(cases) >= count
    assert np.median([abs(item.error) for item in cases]) <= middle


def test_experts_with_a_scale_for_32_weights_weigh_what_their_checkpoint_does():
    """Kimi-K2-Thinking's files are 594 GB: 1.01e12 weights of 4 bits, each 32 with 2 bytes of scale."""
    model = load_model("moonshotai/Kimi-K2-Thinking")
    assert model.weight_bytes == pytest.approx(594e9, rel=0.002)
    assert load_model("moonshotai/Kimi-K2.6").weight_bytes == model.weight_bytes
    assert load_model("moonshotai/Kimi-K2-Instruct").weight_bytes is None  # scales as usual: as counted


def test_overloaded_runs_agree_on_the_cache_they_imply():
    """Five lengths, TTFT from 7 to 31 s, one cache of about 7,000 tokens."""
    study = runpy.run_path(str(ROOT / "experiments" / "memory" / "implied.py"))
    tokens = np.array([run.implied_tokens() for run in study["overloaded_runs"]()])
    assert len(tokens) == 5
    assert np.all((tokens > 5500) & (tokens < 8000))
    assert tokens.max() / tokens.min() < 1.25


def test_the_shipped_factors_name_every_field():
    """A new factor without a fitted value would silently run on its default.

    Shares of peak and what collectives without tables cost are defaults on purpose: tables answer.
    """
    names = {item.name for item in fields(Efficiency) if not item.name.endswith("_frac")}
    fitted = (names - {"collective_s", "call_s", "eager_call_s"}) | {"stall_frac", "wave_frac"}
    for backend in engine_names():
        assert set(artifact(FACTORS)["engines"][backend]) == fitted


def test_the_readme_states_the_shipped_accuracy():
    readme = (ROOT / "README.md").read_text()
    for entry in artifact(ERRORS)["scores"]["split_group"].values():
        assert f"{entry['mdape']:.1%}" in readme
