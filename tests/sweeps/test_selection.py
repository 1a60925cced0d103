"""Selections of a run, and what is exported of them."""

import os
import subprocess

import numpy as np
import pytest
import yaml
from live import AIPERF_AT, needs_aiperf
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


def test_an_export_holds_all_that_deploys_and_measures(small_run, tmp_path, simkit):
    options = ("--namespace", "team-a", "--storage-class", "fast")
    run = simkit(
        "export", small_run.path, "--select", "concurrency == 4 and tp == 1", *options, "-o", tmp_path
    )
    assert run.status == 0
    root, jobs = (
        yaml.safe_load((tmp_path / at / "kustomization.yaml").read_text()) for at in ("", "benchmarks")
    )
    assert root["namespace"] == jobs["namespace"] == "team-a"
    assert len(root["resources"]) == 1 + len(jobs["resources"]) == 5
    assert all((tmp_path / name).is_file() for name in root["resources"])
    assert all((tmp_path / "benchmarks" / name).is_file() for name in jobs["resources"])
    claim, job = parse_documents((tmp_path / root["resources"][0]).read_text(), "cache")
    assert (claim["metadata"]["name"], claim["spec"]["storageClassName"]) == ("qwen3-8b-cache", "fast")
    assert (job["kind"], validate_documents([claim, job], "cache")) == ("Job", [])
    for name in root["resources"][1:]:
        text = (tmp_path / name).read_text()
        assert validate_documents(parse_documents(text, name), name) == []
        assert "qwen3-8b-cache" in text
    page = (tmp_path / "README.md").read_text()
    assert all(f"`{name}`" in page for name in ("kustomization.yaml", root["resources"][0]))


def job_of(small_run, selection="best"):
    texts = export_texts(small_run.path, selection)
    (name,) = [name for name in texts if name.startswith("benchmarks/") and "kustomization" not in name]
    return yaml.safe_load(texts[name]), texts


def test_the_aiperf_job_sends_what_the_script_sends(small_run):
    job, texts = job_of(small_run)
    (dgd, script) = (next(text for name, text in texts.items() if name.endswith(ending))
                     for ending in ("/dgd.yaml", "/benchmark.sh"))  # fmt: skip
    deployed = parse_documents(dgd, "dgd")[-1]["metadata"]["name"]
    benchmark = job["spec"]["benchmark"]
    assert benchmark["endpoint"]["url"] == f"http://{deployed}-frontend:8000/v1/chat/completions"
    warm, measured = benchmark["phases"]
    for words in (
        f"--concurrency {measured['concurrency']} ", f"--request-count {measured['requests']} ",
        f"--warmup-request-count {warm['requests']} ",
        f"--isl {benchmark['dataset']['prompts']['isl']['mean']} ",
        f"--num-dataset-entries {benchmark['dataset']['entries']} ", "--extra-inputs min_tokens:200 ",
    ):  # fmt: skip
        assert words in script
    assert benchmark["slos"] == {"time_to_first_token": 500, "inter_token_latency": 20}


@needs_aiperf
def test_aiperf_itself_takes_the_job(small_run, tmp_path):
    job, _ = job_of(small_run)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    check = (
        "import sys, yaml; from aiperf.kubernetes.crd_models import AIPerfJobSpec; "
        "AIPerfJobSpec.model_validate(yaml.safe_load(open(sys.argv[1]))['spec'])"
    )
    subprocess.run([AIPERF_AT.parent / "python", "-c", check, tmp_path / "job.yaml"], check=True)


def test_a_condition_needs_no_word_before_it(frame):
    for text in ("tp == 2 and meets_sla", "where tp == 2 and meets_sla", "meets_sla"):
        assert len(selected(frame, "predict", text))


def test_an_exported_dgd_is_the_one_that_recommend_writes(tmp_path, simkit):
    ask = "--model Qwen/Qwen3-8B --gpu h200_sxm --total-gpus 2 --backend vllm --isl 1000 --osl 200"
    simkit("recommend", *ask.split(), "--concurrency", 16, "-o", tmp_path / "rec")
    run = simkit("export", tmp_path / "rec", "--select", "best", "--no-model-cache", "-o", tmp_path / "out")
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
