"""What a newcomer runs into with experiments, own runs, clusters of other vendors and measurements."""

import json

import pytest

QWEN = ("--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--backend", "vllm")
LOAD = ("--isl", "1000", "--osl", "50")
AXES = (
    "axes: {model: Qwen/Qwen3-8B, gpu: h100_sxm, backend: vllm, plan: tp1, isl_tokens: 1000, osl_tokens: 50"
)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("name: mine", "name: unknown key; say it in question; -o names the folder"),
        ("sweep: {}", "sweep: unknown key; write it as axes"),
        ("tp: [1, 2]", "tp: unknown key; write it under axes: {tp: ...}"),
        ("ttft_ms: 500", "ttft_ms: unknown key; write it under sla: {ttft_ms: ...}"),
        ("repeat: 3", "did you mean repeats?"),
        ("foo: 1", "foo: unknown key; remove it; known here: axes, baselines"),
        ("question: 'Why?'", "question: must have at least 10 characters, got 'Why?'"),
    ],
)
def test_a_key_at_the_top_of_an_experiment_is_told_its_place(simkit, tmp_path, line, remedy):
    file = tmp_path / "mine.yaml"
    question = "" if line.startswith("question") else "question: What does it say?\n"
    file.write_text(f"{question}{AXES}, concurrency: 4}}\n{line}\n")
    found = simkit("experiment", "validate", file)
    assert found.status == 2
    assert remedy in found.out + found.err


def test_a_short_run_of_a_rate_that_is_not_sustained_says_so_everywhere(simkit, tmp_path):
    file, run = tmp_path / "rates.yaml", tmp_path / "run"
    load = "request_rate_per_s: [2, 40], requests: 100, gpu_hour_price: 2}"
    file.write_text(f"question: What do rates do?\ndo: simulate\n{AXES}, {load}\nsla: {{ttft_ms: 500}}\n")
    assert simkit("experiment", "run", file, "-o", run, "--quiet").status == 0
    assert simkit("experiment", "export-data", run, "-o", tmp_path / "run.parquet").status == 0
    import pandas as pd

    points = pd.read_parquet(tmp_path / "run.parquet").set_index("request_rate_per_s")
    assert points["overloaded"].to_dict() == {2.0: False, 40.0: True}
    assert points["simulated_cost_per_million_output_tokens"].notna().to_dict() == {2.0: True, 40.0: False}
    assert simkit("export", run, "--select", "best", "-o", tmp_path / "best").status == 0
    text = "".join(path.read_text() for path in (tmp_path / "best").glob("*/dgd.yaml"))
    assert "--request-rate 2 " in text
    words = ("--worker", "tp1", *LOAD, "--request-rate", "40", "--requests", "100", "--ttft", "500")
    found = simkit("simulate", *QWEN, *words)
    assert "a longer one would miss it" in " ".join(found.out.split())


def test_engine_settings_hold_for_a_simulation(simkit):
    words = ("simulate", *QWEN, "--worker", "tp1", *LOAD, "--concurrency", "8", "--requests", "40")
    found = simkit(*words, "--max-num-seqs", "2", "--format", "json")
    said = json.loads(found.out)
    assert said["simkit"]["deployment"]["engine"]["max_num_seqs"] == 2
    assert said["time_to_first_token"]["avg"] > said["inter_token_latency"]["avg"] * 40  # six wait


def test_a_dgd_remembers_its_price_and_another_gpu_has_another(simkit, tmp_path):
    words = (*QWEN, "--total-gpus", "1", *LOAD, "--concurrency", "4", "--gpu-hour-price", "2.5")
    assert simkit("recommend", *words, "-o", tmp_path, "--quiet").status in (0, 1)
    said = json.loads((tmp_path / "recommendation.json").read_text())["selected"]
    name = "cost_per_million_output_tokens"
    again = json.loads(simkit("estimate", tmp_path / "dgd.yaml", "--format", "json").out)
    assert again[name] == pytest.approx(said[name], rel=1e-4)
    dear = simkit("estimate", tmp_path / "dgd.yaml", "--gpu-hour-price", "h100_sxm=5", "--format", "json")
    assert json.loads(dear.out)[name] == pytest.approx(2 * said[name], rel=1e-4)
    other = simkit("estimate", tmp_path / "dgd.yaml", "--gpu", "h200_sxm", "--format", "json")
    assert json.loads(other.out)[name] is None
    sides = json.loads(simkit("compare", tmp_path, tmp_path / "dgd.yaml", "--format", "json").out)["figures"]
    assert [one for one in sides if one["metric"] == name and one["a"] and one["b"]]


def test_an_engine_that_no_gpu_of_the_vendor_runs_is_refused(simkit):
    words = ("--model", "Qwen/Qwen3-8B", "--gpu", "mi300x", "--backend", "trtllm", "--concurrency", "4")
    for verb in (("recommend", "--total-gpus", "2"), ("estimate", "--worker", "tp1")):
        found = simkit(verb[0], *words, *verb[1:])
        assert found.status == 2
        assert "trtllm does not run on amd GPUs; take vllm or sglang" in found.err


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "Model Name,GPU type,Engine,Input Len,osl,Users,TTFT,ITL",
            "'Input Len' as 'isl_tokens', 'osl' as 'osl",
        ),
        ("model,gpu,backend,isl_tokens,osl_tokens,concurrency,mean_ttft_ms,tpot", "'tpot' as 'itl_ms_mean'"),
        ("model;gpu;backend;isl_tokens;osl_tokens;concurrency;ttft_ms_mean;itl_ms_mean", "separated by ';'"),
    ],
)
def test_the_columns_of_a_table_of_ones_own_are_recognised(simkit, tmp_path, header, told):
    table = tmp_path / "own.csv"
    table.write_text(f"{header}\nQwen/Qwen3-8B,h100_sxm,vllm,1000,100,4,62,8.1\n")
    found = simkit("fit", "--own", table, "-o", tmp_path / "own.json")
    assert (found.status, told in found.err) == (2, True), found.err


def test_a_run_of_many_points_is_not_compared_but_told_how(simkit, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "experiment.yaml").write_text("question: What?\n")
    found = simkit("compare", tmp_path / "run", tmp_path / "run")
    assert found.status == 2
    assert "simkit export" in found.err and "experiment gate" in found.err


def test_a_measurement_is_shown_before_it_is_made(simkit):
    words = (
        "--url",
        "http://localhost:9",
        "--model",
        "Qwen/Qwen3-8B",
        *LOAD,
        "--concurrency",
        "8",
        "--dry-run",
    )
    found = simkit("benchmark", *words)
    assert (found.status, found.out.count("\n")) == (0, 1)
    assert found.out.startswith("aiperf profile --model Qwen/Qwen3-8B --url http://localhost:9 ")
    assert "--goodput" not in found.out  # no bound was given


@pytest.mark.parametrize("form", ["table", "json"])
def test_the_command_that_is_shown_holds_no_password(simkit, form):
    words = ("--model", "Qwen/Qwen3-8B", *LOAD, "--concurrency", "8", "--dry-run", "--format", form)
    found = simkit("benchmark", "--url", "http://me:opensesame@localhost:9", *words)
    assert (found.status, "http://localhost:9" in found.out) == (0, True), found.err
    assert "opensesame" not in found.out + found.err
    assert simkit("benchmark", "--url", "no address", *words).status == 2


def test_what_is_listed_without_a_folder_lies_here(simkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert simkit("experiment", "new", "mine.yaml").status == 0
    found = simkit("experiment", "list")
    assert (found.status, "mine.yaml" in found.out) == (0, True)


@pytest.mark.parametrize("columns", ["80", "100"])
def test_a_wide_answer_of_an_experiment_keeps_its_groups_on_a_narrow_terminal(
    simkit, tmp_path, monkeypatch, columns
):
    monkeypatch.setenv("COLUMNS", columns)
    file = tmp_path / "wide.yaml"
    shown = "[concurrency, ttft_ms_mean, itl_ms_mean, e2e_ms_mean, sla_probability, in_domain]"
    file.write_text(
        f"question: What does it cost?\n{AXES}, concurrency: [1, 4], gpu_hour_price: 2}}\n"
        "report: {by: [gpu, backend, plan, isl_tokens], best: cost_per_million_output_tokens, least: true, "
        f"show: {shown}}}\nsla: {{ttft_ms: 500}}\n"
    )
    found = simkit("experiment", "run", file, "-o", tmp_path / "run", "--quiet")
    assert "\u2026" not in found.out  # nothing is cut
    assert found.out.count("h100_sxm") == found.out.count("vllm") == 2  # a second part below
    assert all(len(line) <= int(columns) for line in found.out.splitlines())


@pytest.mark.parametrize("columns", ["80", "100"])
def test_names_of_models_break_after_slashes_and_hyphens(simkit, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    lines = simkit("models", "qwen").out.splitlines()
    firsts = [line.split(" ")[0] for line in lines[3:-1]]
    assert all(len(line) <= int(columns) for line in lines)
    names = [name for name in firsts if name]  # a second format has a line of its own
    inner = [at for at, name in enumerate(names) if "/" not in name or name.startswith("/")]
    assert len(names) - len(inner) > 20
    assert [names[at - 1] for at in inner if not names[at - 1].endswith(("-", "/"))] == []


def test_two_pools_that_do_not_fit_are_told_the_gpus_that_would_do(simkit):
    words = ("--model", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "h100_sxm", "--mode", "disagg", *LOAD)
    refused = simkit("recommend", *words, "--total-gpus", "3", "--backend", "vllm")
    assert refused.status == 2 and "at least 4 GPUs (two engines of tp2)" in refused.err
    assert simkit("recommend", *words, "--total-gpus", "4", "--backend", "vllm").status == 0
