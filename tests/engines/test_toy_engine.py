"""A fourth engine out of one module and one golden, through every public verb.

The recipe is `RECIPE`; a test holds the documents to its words.
"""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from perfmodels.parallel import ParallelPlan
from simkit.catalog.calibrations import efficiency
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.draft import Draft
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import DeployOptions, Request
from simkit.engines.registry import default_engine
from simkit.engines.spec import WorkerContext
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.dgd.render import render
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import dump_yaml, load_documents
from simkit.reports.views.looks import colour_of
from simkit.targets.local.engine import engine_words, listed_name, settings_file

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (
    "one module in `simkit/engines` with one `SPEC`, one line in `simkit/engines/registry.py`, one golden"
)
GOLDEN = ROOT / "tests" / "golden" / "engines" / "toy-disagg.yaml"
WORDS = ("--model", "Qwen/Qwen3-32B", "--gpu", "h200_sxm", "--isl", "1000", "--osl", "100")
LOAD = ("--concurrency", "16")
JSON = ("--format", "json", "--quiet")
BORROWED = "toy: extrapolated, no operator table and no serving run of its own"

pytestmark = pytest.mark.usefixtures("toy")


def pool(replicas=1, plan=None, **changes):
    return Pool(plan=plan or ParallelPlan(), engine=default_engine("toy", **changes), replicas=replicas)


def rendered(deployment, **deploy):
    asked = Request(model="org/model", deploy=DeployOptions(name="demo", **deploy))
    return render(deployment, asked, model="org/model", gpus_per_node=8, total_gpus=32)


@pytest.mark.parametrize("name", ("CONTRIBUTING.md", "docs/architecture.md"))
def test_the_documents_give_the_recipe(name):
    assert RECIPE in " ".join((ROOT / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("mode", ("agg", "disagg"))
def test_recommend_estimate_and_validate(simkit, tmp_path, mode):
    out = tmp_path / "out"
    words = (*WORDS, *LOAD, "--total-gpus", "4", "--backend", "toy", "--mode", mode)
    status, text, _ = simkit("recommend", *words, "-o", out, *JSON)
    found = json.loads(text)
    assert (status, found["selected"]["backend"], found["selected"]["mode"]) == (0, "toy", mode)
    assert found["selected"]["in_domain"] is False
    assert any(BORROWED in note and "trtllm's" in note for note in found["selected"]["notes"])
    dgd = out / "dgd.yaml"
    assert "dynamo.toy" in dgd.read_text() and "Toy" in (out / "report.md").read_text()
    status, text, _ = simkit("validate", dgd, *JSON)
    assert status == 0, text
    status, text, _ = simkit(
        "estimate", dgd, "--gpu", "h200_sxm", "--isl", "1000", "--osl", "100", *LOAD, *JSON
    )
    again = json.loads(text)
    assert again["backend"] == "toy"
    assert again["itl_ms"]["mean"] == pytest.approx(found["selected"]["itl_ms"]["mean"], rel=1e-3)
    sources = {line["source"] for line in again["by_operator"]}
    assert "trtllm's kernel" in sources and not any(source == "measured" for source in sources)


def test_all_engines_are_searched_with_it(simkit):
    _, text, _ = simkit("recommend", *WORDS, *LOAD, "--total-gpus", "2", *JSON)
    assert "toy" in {item["backend"] for item in json.loads(text)["candidates"]}


def test_predict_says_that_it_is_outside_of_the_data(simkit, tmp_path):
    row = {"model": "Qwen/Qwen3-32B", "gpu": "h200_sxm", "isl_tokens": 1000, "osl_tokens": 100,
           "concurrency": 16, "num_gpus": 2, "tp": 2}  # fmt: skip
    rows = [{"run_id": name, "backend": name, **row} for name in ("toy", "trtllm")]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    status, _, err = simkit("predict", tmp_path / "runs.csv", "-o", tmp_path / "out.csv")
    assert status == 0, err
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False).set_index("run_id")
    assert (found.loc["toy", "error"], str(found.loc["toy", "in_domain"])) == ("", "False")
    assert float(found.loc["toy", "predicted_itl_ms_mean"]) > 0


def test_simulate(simkit):
    words = (*WORDS, *LOAD, "--backend", "toy", "--worker", "1xtp2")
    status, text, err = simkit("simulate", *words, *JSON)
    assert status in (0, 1), err
    found = json.loads(text)
    assert found["inter_token_latency"]["avg"] > 0
    assert any(BORROWED in note for note in found["simkit"]["notes"])
    assert "Toy" in simkit("simulate", *words, "--quiet")[1]


def test_its_own_command_line_is_estimated(simkit):
    command = "toy run --toy-model Qwen/Qwen3-32B --toy-tp 4 --toy-seqs 32"
    _, text, err = simkit("estimate", "--command", command, "--gpu", "h200_sxm", *LOAD, *JSON)
    found = json.loads(text)
    assert (found["backend"], found["plan"]["tp"], found["engine"]["max_num_seqs"]) == ("toy", 4, 32), err


def test_a_request_names_it_and_a_wrong_name_is_told_of_it(simkit):
    _, _, err = simkit("recommend", *WORDS, *LOAD, "--total-gpus", "2", "--backend", "toi")
    assert "expected one of auto, sglang, toy, trtllm, vllm, got 'toi'" in err


def test_support_says_whose_tables_stand_in(simkit):
    _, text, _ = simkit("support", "--gpu", "h200_sxm", "--backend", "toy", *JSON)
    for cell in json.loads(text)["cells"]:
        assert (cell["basis"], cell["measured_runs"]) == ("extrapolated", 0)
        assert "from trtllm" in cell["reason"]
    assert efficiency("toy") == efficiency("trtllm")


# --- Deployments.


def disaggregated():
    return Disaggregated(prefill=pool(2, ParallelPlan(tp=2)), decode=pool(1, ParallelPlan(tp=4)))


def test_golden():
    text = dump_yaml(rendered(disaggregated(), kv_router=True))
    if os.environ.get("SIMKIT_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "run with SIMKIT_UPDATE_GOLDEN=1 to write it anew"
    assert validate_documents(load_documents(GOLDEN), "toy") == []


def test_the_golden_is_read_as_the_same_deployment():
    assert parse_dgd(load_documents(GOLDEN), source="golden").deployment == disaggregated()


def test_an_engine_over_two_nodes():
    documents = rendered(Aggregated(worker=pool(1, ParallelPlan(tp=8, pp=2))))
    assert documents[-1]["spec"]["components"][1]["multinode"] == {"nodeCount": 2}
    assert validate_documents(documents, "toy") == []
    wide = Aggregated(worker=pool(1, ParallelPlan(tp=16, attn_dp=2, ep=32)))
    with pytest.raises(InputError, match="toy's ranks do not span nodes"):
        rendered(wide)


def test_drafts(simkit, tmp_path):
    out = tmp_path / "out"
    words = (*WORDS, *LOAD, "--total-gpus", "2", "--backend", "toy", "--mode", "agg")
    _, text, err = simkit("recommend", *words, "--speculative", "ngram:3:0.6", "-o", out, *JSON)
    assert json.loads(text)["selected"]["engine"]["speculative"]["method"] == "ngram", err
    assert "ngram/3" in (out / "dgd.yaml").read_text()
    (deployment,) = [parse_dgd(load_documents(out / "dgd.yaml"), source="toy").deployment]
    assert deployment.worker.engine.draft == Draft(method="ngram", tokens=3, acceptance=0.6)
    eagle = ("--worker", "1xtp2", "--backend", "toy", "--speculative", "eagle:3:0.7:a/head")
    assert "toy drafts by n-grams only" in simkit("estimate", *WORDS, *LOAD, *eagle)[2]


def test_a_mocker_that_does_not_know_it_is_refused():
    with pytest.raises(InputError, match="mocker does not imitate toy; take one of vllm, sglang, trtllm"):
        rendered(disaggregated(), mocker=True)


def test_its_own_server():
    context = WorkerContext(model_name="m", model_path="org/m")
    words = engine_words(Path("/bin/toy"), pool(), context, Path("engine.yaml"))
    assert words[:4] == ["/bin/toy", "run", "--toy-model", "org/m"]
    assert (listed_name(pool(), context), settings_file(pool(), context)) == ("m", None)


def test_figures_show_it_in_its_own_colour(toy):
    assert colour_of("toy") == toy.colour


def test_it_is_gone_when_it_is_not_registered(toy):
    from simkit.engines import registry

    del registry._ENGINES["toy"]
    try:
        with pytest.raises(UnknownNameError, match="unknown backend 'toy'"):
            default_engine("toy")
    finally:
        registry._ENGINES["toy"] = toy
