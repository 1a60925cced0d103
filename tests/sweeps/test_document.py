"""Experiment files: strict, and every fault names its path and what to do."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from small_sweep import SMALL

from simkit.core.errors import InputError
from simkit.experiments.document import parse_experiment, read_experiment
from simkit.experiments.document_model import schema_text
from simkit.experiments.template import template

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
TEXTS = {"template": template("a.yaml", "a"), **{p.stem: p.read_text() for p in SHIPPED}}


def test_twelve_experiments_ship():
    assert len(SHIPPED) == 12


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_experiment_is_sound_and_has_its_result(path):
    found = read_experiment(path)
    assert found.document.question.endswith("?")
    assert found.document.report is not None
    page = ROOT / "reports" / "experiments" / path.stem / "README.md"
    assert f"# {found.document.question}\n" in page.read_text(encoding="utf-8")


def test_the_schema_that_ships_is_the_models_own():
    assert (ROOT / "data" / "schemas" / "experiment.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("name", TEXTS)
def test_editors_and_we_agree_on_what_is_sound(name):
    parse_experiment(TEXTS[name], name)
    jsonschema.validate(yaml.safe_load(TEXTS[name]), json.loads(schema_text()))


FAULTS = [
    ("gpu: [", "gpus: [", "axes.gpus: unknown key; did you mean gpu?"),
    ("question:", "queston:", "queston: unknown key; did you mean question?"),
    ("sla: {ttft_ms:", "sla: {ttft:", "sla.ttft: unknown key; did you mean ttft_ms?"),
    ("h200_sxm", "h2000_sxm", "axes.gpu: "),
    ("Qwen/Qwen3-8B", "Qwen/Qwen3-8C", "axes.model: "),
    (
        "trtllm",
        "trtlm",
        "axes.backend: expected one of vllm, sglang, trtllm, got 'trtlm'; did you mean trtllm?",
    ),
    ("factor: 4", "factr: 4", "axes.concurrency.factr: unknown key; did you mean factor?"),
    ("factor: 4", "factor: 1", "axes.concurrency: a range without end"),
    (", factor: 4", "", "axes.concurrency: a range needs start, stop, and either step or factor"),
    (
        "isl_tokens: 1000",
        "isl_tokens: many",
        "axes.isl_tokens: expected a whole number of at least 1, got 'many'",
    ),
    ("isl_tokens: 1000", "isl_tokens: -5", "axes.isl_tokens: expected a whole number of at least 1, got -5"),
    ("isl_tokens: 1000", "isl_tokens: [5, 5]", "axes.isl_tokens: 5 is given twice; remove one"),
    ("  isl_tokens: 1000\n", "", "axes.isl_tokens: required but missing; add it"),
    ("  concurrency:", "  request_rate_per_s: 3\n  concurrency:", "axes.concurrency: a load is given twice"),
    ("  isl_tokens:", "  tp: 2\n  isl_tokens:", "axes.plan: give the layout in one way"),
    ("sla:", "repeats: 3\nsla:", "repeats: nothing is random in predict"),
    ("sla:", "where: tpp == 4\nsla:", "where: condition 'tpp == 4': unknown column 'tpp'; did you mean tp?"),
    ("sla:", "zip: [{rdma: [true, false], pp: [1]}]\nsla:", "zip[0]: axes that move together need lists"),
    ("sla:", "zip: [{gpu: [h100_sxm], rdma: [true]}]\nsla:", "zip.gpu: this axis is given twice"),
    ("sla:", "report: {by: [gpu], best: ttft}\nsla:", "report.best.ttft: unknown key; did you mean"),
    (
        "sla:",
        "do: measure\nsla:",
        "do: expected one of predict, simulate, recommend, benchmark, got 'measure'",
    ),
    (
        "sla:",
        "baselines: {old: {gpuu: h100_sxm}}\nsla:",
        "baselines.old.gpuu: unknown key; did you mean gpu?",
    ),
    ("stop: 64, factor: 4", "stop: 64, step: 1.0e-6", "axes.concurrency: more than 100,000 values"),
]


@pytest.mark.parametrize(("old", "new", "told"), FAULTS, ids=[told[:40] for _, _, told in FAULTS])
def test_a_fault_names_its_path_and_a_remedy(old, new, told):
    assert old in SMALL
    with pytest.raises(InputError) as found:
        parse_experiment(SMALL.replace(old, new, 1), "small.yaml")
    assert f"small.yaml: {told}" in str(found.value)
    assert "\n" not in str(found.value)


def test_several_faults_are_told_at_once():
    text = SMALL.replace("isl_tokens: 1000", "isl_tokens: no").replace("osl_tokens: 200", "osl_tokens: 0")
    with pytest.raises(InputError, match=r"isl_tokens.*; small.yaml: axes.osl_tokens") as found:
        parse_experiment(text, "small.yaml")
    assert "expected a whole number" in str(found.value)


def test_grids_replace_axes_and_zips_move_together():
    text = SMALL.replace("sla:", "grids: [{plan: tp1}, {plan: [tp2, tp4], concurrency: 8}]\nsla:")
    assert parse_experiment(text, "x").space.most == 2 * 2 * 4 + 2 * 2 * 2
    zipped = SMALL.replace("  gpu: [h100_sxm, h200_sxm]\n", "").replace(
        "sla:", "zip: [{gpu: [h100_sxm, h200_sxm], gpu_hour_price: [2, 2]}]\nsla:"
    )
    assert parse_experiment(zipped, "x").space.most == parse_experiment(SMALL, "x").space.most
