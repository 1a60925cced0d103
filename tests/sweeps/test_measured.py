"""`do: benchmark`: every point measured on a target, kept at once, gone on with, compared."""

import json

import pytest
import yaml
from live import needs_dynamo
from openai_server import openai_server

from simkit.core.errors import InputError
from simkit.experiments.document import parse_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, part_files, read_dataset

pytestmark = pytest.mark.server

ASKED = {
    "question": "Does a small model hold its bounds as measured?",
    "do": "benchmark",
    "axes": {"model": "Qwen/Qwen3-0.6B", "gpu": "h100_sxm", "backend": "vllm", "plan": "tp1",
             "isl_tokens": 64, "osl_tokens": 8, "concurrency": [1, 2], "requests": 8},
    "sla": {"ttft_ms": 5000, "itl_ms": 5000},
}  # fmt: skip


def asked(**changes):
    return yaml.safe_dump({**ASKED, **changes})


def on(url, **more):
    return {"target": "url", "url": url, "served_model": "tiny", "client": "builtin", **more}


def test_points_are_measured_once_and_stand_beside_what_was_predicted(simkit, tmp_path):
    file, out = tmp_path / "sweep.yaml", tmp_path / "out"
    with openai_server(ttft_s=0.02, itl_s=0.002) as (url, server):
        file.write_text(asked(benchmark=on(url)))
        assert simkit("experiment", "validate", file).status == 0
        assert "2 points to measure" in simkit("experiment", "run", file, "--dry-run").out
        first = simkit("experiment", "run", file, "-o", out, "--max-points", 1, "--format", "json")
        assert first.status == 0, first.err
        assert json.loads(first.out)["missing"] == 1
        sent = len(server.seen)
        done = simkit("experiment", "resume", out, "--format", "json")
        assert json.loads(done.out)["finished"] == 2
        again = len(server.seen)
        assert simkit("experiment", "resume", out).status == 0
        assert len(server.seen) == again > sent, "what was measured is not measured again"
    table = read_dataset(RunFolder(path=out)).sort_values("concurrency")
    assert list(table["error"]) == ["", ""]
    assert set(table["source"]) == {"measured"}
    assert table["measured_ttft_ms_mean"].between(19, 2000).all()
    assert (table["predicted_ttft_ms_mean"] > 0).all()
    assert list(table["measured_concurrency"]) == [1, 2]
    assert table["meets_sla"].all()
    for point in table["point"]:
        assert (out / "measured" / point / "comparison.json").is_file()


def test_what_fails_is_said_and_tried_again_when_asked(simkit, tmp_path):
    file, out = tmp_path / "sweep.yaml", tmp_path / "out"
    with openai_server(ttft_s=0.01, itl_s=0.001) as (url, _):
        file.write_text(asked(benchmark=on(url)))
    found = simkit("experiment", "run", file, "-o", out, "--format", "json")
    assert json.loads(found.out)["failed"] == 2, "the server has gone"
    with openai_server(ttft_s=0.01, itl_s=0.001) as (url, _):
        text = (out / "experiment.yaml").read_text()
        assert simkit("experiment", "resume", out, "--format", "json").status == 0
        assert json.loads(simkit("experiment", "status", out, "--format", "json").out)["failed"] == 2
        retried = simkit("experiment", "resume", out, "--retry-failed", "--format", "json")
        assert "2 points without a result: tried again" in retried.err
        assert json.loads(retried.out)["finished"] == 2
        assert (out / "experiment.yaml").read_text() == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"benchmark": {"target": "k9s"}}, "benchmark.target"),
        ({"benchmark": {"target": "url"}}, "which server?"),
        ({"benchmark": {"url": "http://x"}}, "is not for target: local"),
        ({"benchmark": {"targt": "local"}}, "did you mean target?"),
        ({"do": "predict", "benchmark": {"target": "local"}}, "is not for do: predict"),
        ({"axes": {**ASKED["axes"], "burstiness": 2}}, "axes.burstiness"),
    ],
)
def test_what_cannot_be_measured_is_said(changes, said):
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        parse_experiment(asked(**changes), "x.yaml")


def test_measurements_are_not_taken_side_by_side(simkit, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(asked(benchmark=on("http://127.0.0.1:1")))
    found = simkit("experiment", "run", file, "-o", tmp_path / "out", "--jobs", 2)
    assert found.status == 2
    assert "one point after another" in found.err


def test_one_deployment_serves_the_points_that_need_the_same(tmp_path, monkeypatch):
    """A target that is told by documents is brought up once for all loads of a plan."""
    from contextlib import contextmanager

    from simkit.experiments.work import measuring
    from simkit.measure.run import Server
    from simkit.measure.targets import Rehearsal, Target

    ups = []

    @contextmanager
    def start(problem, candidate, folder):
        with openai_server(ttft_s=0.01, itl_s=0.001) as (url, _):
            ups.append(candidate.deployment.worker.plan.label)
            yield Server(url=url, model="tiny")
            ups.append("down")

    def documents(problem, candidate, folder):
        return [{"plan": candidate.deployment.worker.plan.label}]

    place = Target(about="planted", start=start, rehearsal=Rehearsal(documents=documents, changes=documents))
    monkeypatch.setattr(measuring, "target_of", lambda name: place)
    axes = {**ASKED["axes"], "plan": ["tp1", "tp2"]}
    text = asked(axes=axes, benchmark={"target": "k8s", "client": "builtin"})
    folder = RunFolder(path=tmp_path / "out")
    list(run(parse_experiment(text, "x.yaml"), folder, ["test"]))
    assert ups == ["tp1", "down", "tp2", "down"]
    assert len(part_files(folder)) == 4


@needs_dynamo
@pytest.mark.slow
def test_mocked_engines_are_measured(tmp_path):
    axes = {**ASKED["axes"], "concurrency": 2}
    folder = RunFolder(path=tmp_path / "out")
    text = asked(axes=axes, benchmark={"target": "local", "client": "builtin", "warmup": 2})
    list(run(parse_experiment(text, "x.yaml"), folder, ["test"]))
    (row,) = read_dataset(folder).to_dict("records")
    assert row["error"] == ""
    assert 0.3 < row["measured_itl_ms_mean"] / row["predicted_itl_ms_mean"] < 3
