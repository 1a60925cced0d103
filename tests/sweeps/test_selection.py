"""Selections of a run, and what is exported of them."""

import os

import numpy as np
import pytest
from small_sweep import SMALL, completed

from simkit.core.errors import InputError
from simkit.experiments.document import parse_experiment
from simkit.experiments.export import export_texts
from simkit.experiments.selection import selected
from simkit.experiments.store import read_dataset
from simkit.experiments.summary import summary_table
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import parse_documents

PER_GPU, PER_USER = "predicted_output_tokens_per_s_per_gpu", "predicted_tokens_per_s_per_user"


@pytest.fixture(scope="module")
def frame(small_run):
    return read_dataset(small_run)


def test_best_holds_the_sla_at_the_highest_output(frame):
    (best,) = selected(frame, "predict", "best").to_dict("records")
    assert best["meets_sla"] is True
    assert best[PER_GPU] == frame[frame["meets_sla"].eq(True)][PER_GPU].max()


def test_no_point_of_the_front_is_beaten(frame):
    front = selected(frame, "predict", "pareto")
    assert len(front) > 2
    for _, row in front.iterrows():
        beaten = (frame[PER_GPU] >= row[PER_GPU]) & (frame[PER_USER] >= row[PER_USER])
        assert beaten.sum() == 1
    assert np.all(np.diff(front[PER_USER]) > 0)
    (knee,) = selected(frame, "predict", "knee")["point"]
    assert knee in set(front["point"])


def test_by_id_and_by_condition(frame):
    point = frame["point"][7]
    assert selected(frame, "predict", f"id={point}")["point"].tolist() == [point]
    rows = selected(frame, "predict", "where tp == 2 and ttft_ms_mean < 100 and meets_sla")
    assert len(rows)
    assert set(rows["plan"]) == {"tp2"}
    assert (rows["predicted_ttft_ms_mean"] < 100).all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bets", "did you mean best"),
        ("id=", "no point by that"),
        ("id=zz", "no point by that"),
        ("where tp == 64", "holds for none of 48 points"),
        ("where tpp == 64", "did you mean tp"),
    ],
)
def test_what_is_not_understood_is_said(frame, text, told):
    with pytest.raises(InputError, match=told):
        selected(frame, "predict", text)


def test_exported_deployments_are_sound_and_read_back(small_run):
    texts = export_texts(small_run.path, "where concurrency == 16 and meets_sla")
    dgds = {name: text for name, text in texts.items() if name.endswith("dgd.yaml")}
    assert len(dgds) > 3
    for name, text in dgds.items():
        assert validate_documents(parse_documents(text, name), name) == []
        assert "--concurrency 16" in texts[name.replace("dgd.yaml", "benchmark.sh")]
        assert f"({name})" in texts["README.md"]


def test_an_exported_dgd_is_the_one_that_recommend_writes(tmp_path, simkit):
    ask = "--model Qwen/Qwen3-8B --gpu h200_sxm --total-gpus 2 --backend vllm --isl 1000 --osl 200"
    simkit("recommend", *ask.split(), "--concurrency", 16, "-o", tmp_path / "rec")
    run = simkit("export", tmp_path / "rec", "--select", "best", "-o", tmp_path / "out")
    assert run.status == 0
    mine = (tmp_path / "out" / "candidate-1" / "dgd.yaml").read_text()
    theirs = (tmp_path / "rec" / "dgd.yaml").read_text().replace("qwen3-8b-dgd", "qwen3-8b-c1-dgd")
    assert mine == theirs
    assert os.access(tmp_path / "out" / "candidate-1" / "benchmark.sh", os.X_OK)


def test_what_cannot_be_deployed_is_refused_and_nothing_written(tmp_path, simkit):
    text = SMALL.replace("axes:", "axes:\n  precision: [bf16, fp8]").replace(
        "[h100_sxm, h200_sxm]", "h100_sxm"
    )
    folder = completed(tmp_path / "run", text)
    assert (
        simkit(
            "export", folder.path, "--select", "where precision == 'bf16' and tp == 2", "-o", tmp_path / "a"
        ).status
        == 0
    )
    run = simkit("export", folder.path, "--select", "where tp == 2", "-o", tmp_path / "b")
    assert run.status == 2
    assert "is stored as bf16, and fp8 was predicted" in run.err
    assert not (tmp_path / "b").exists()


def test_a_point_without_result_is_refused(tmp_path):
    folder = completed(tmp_path / "run", SMALL.replace("[tp1, ", "[tp3, "))
    frame = read_dataset(folder)
    point = frame[frame["error"] != ""]["point"].iloc[0]
    with pytest.raises(InputError, match=r"has no result .*do not divide"):
        export_texts(folder.path, f"id={point}")


def test_the_table_has_the_best_of_each_group_beside_the_baseline(small_run, frame):
    report = """baselines: {one: {plan: tp1}}
report: {by: [gpu, plan], best: output_tokens_per_s_per_gpu, where: meets_sla, show: [concurrency]}
sla:"""
    table = summary_table(parse_experiment(SMALL.replace("sla:", report), "x"), frame)
    assert len(table) == 6
    assert table[table["plan"] == "tp1"]["over one"].tolist() == [1.0, 1.0]
    row = table.iloc[1]
    group = frame[(frame["gpu"] == row["gpu"]) & (frame["plan"] == row["plan"]) & frame["meets_sla"].eq(True)]
    assert row[PER_GPU] == group[PER_GPU].max()
    assert row["over one"] == pytest.approx(row[PER_GPU] / table[PER_GPU][0])
