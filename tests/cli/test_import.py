"""`estimate --command`: numbers, notes, the DGD it writes, exit statuses."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from simkit.formats.dgd.read import read_dgd
from simkit.formats.engine_command.read import parse_command
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import load_documents

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "command_table", ROOT / "tests" / "formats" / "engine_command" / "command_table.py"
)
table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)

GPU = ("--gpu", "h200_sxm")
LOAD = ("--concurrency", "16", "--isl", "1000", "--osl", "100")
QWEN = "vllm serve Qwen/Qwen3-32B -tp 2"
CASES = [
    pytest.param(case, id=f"{backend} {name}")
    for backend, cases in table.TABLES.items()
    for name, case in cases.items()
]


def test_a_command_estimates_as_the_layout_it_stands_for(simkit):
    by_command = json.loads(simkit("estimate", "--command", QWEN, *GPU, *LOAD, "--format", "json").out)
    words = ("--model", "Qwen/Qwen3-32B", "--backend", "vllm", "--worker", "tp2")
    by_layout = json.loads(simkit("estimate", *words, *GPU, *LOAD, "--format", "json").out)
    for key in ("ttft_ms", "itl_ms", "plan", "num_gpus", "by_operator", "kv_capacity_tokens"):
        assert by_command[key] == by_layout[key]


def test_settings_of_the_command_change_the_numbers(simkit):
    def estimate(settings):
        words = ("--command", f"{QWEN} {settings}", *GPU, *LOAD, "--format", "json")
        return json.loads(simkit("estimate", *words).out)

    plain = estimate("")
    assert estimate("--quantization fp8")["itl_ms"]["mean"] < plain["itl_ms"]["mean"]
    assert estimate("--max-num-seqs 4")["ttft_ms"]["mean"] > 2 * plain["ttft_ms"]["mean"]  # twelve wait
    halved = estimate("--kv-cache-dtype fp8")["kv_capacity_tokens"]
    assert halved == pytest.approx(2 * plain["kv_capacity_tokens"], rel=0.01)
    smaller = estimate("--gpu-memory-utilization 0.6")["kv_capacity_tokens"]
    assert smaller < plain["kv_capacity_tokens"]


@pytest.mark.parametrize("case", CASES)
def test_the_dgd_written_is_the_deployment_of_the_command(simkit, tmp_path, case):
    out = tmp_path / "dgd.yaml"
    done = simkit("estimate", "--command", case.text, *GPU, *LOAD, "--quiet", "--dgd", out)
    if done.status == 2:  # what the command starts does not fit, or the runtime has no flag for it
        assert any(why in done.err for why in ("room for", "CUDA graphs", "prediction layer")), done.err
        return
    assert (done.status, done.err) == (0, "")
    assert validate_documents(load_documents(out), "dgd.yaml") == []
    found = read_dgd(out)
    assert found.deployment == parse_command(case.text).deployment
    assert found.model == case.model


def test_pairs_are_written_as_prefill_and_decode(simkit, tmp_path):
    out, lines = tmp_path / "dgd.yaml", []
    for role, size in (("prefill", 2), ("decode", 4)):
        lines.append(f"python3 -m dynamo.vllm --model Qwen/Qwen3-32B -tp {size} --disaggregation-mode {role}")
    (tmp_path / "run.sh").write_text(" &\n".join(lines))
    done = simkit(
        "estimate", "--command", f"@{tmp_path / 'run.sh'}", *GPU, *LOAD, "--dgd", out, "--format", "json"
    )
    document = json.loads(done.out)
    assert (document["mode"], document["prefill"]["plan"]["tp"], document["decode"]["plan"]["tp"]) == (
        "disagg",
        2,
        4,
    )
    assert done.err == f"wrote {out}\n"
    assert read_dgd(out).deployment.mode == "disagg"


def test_a_draft_model_and_quantisation_go_into_the_dgd(simkit, tmp_path):
    out = tmp_path / "dgd.yaml"
    draft = '{"method": "eagle3", "model": "a/b"}'
    done = simkit(
        "estimate", "--command", f"{QWEN} -q fp8 --speculative-config '{draft}'", *GPU, "--dgd", out
    )
    args = load_documents(out)[0]["spec"]["components"][1]["podTemplate"]["spec"]["containers"][0]["args"]
    assert args[args.index("--quantization") + 1] == "fp8"
    assert f"--speculative-config={draft}" in args
    assert "not modelled: real ITL is lower" in " ".join(done.out.split())


def test_a_layout_is_written_as_a_dgd_too(simkit, tmp_path):
    out = tmp_path / "dgd.yaml"
    words = ("--model", "Qwen/Qwen3-32B", "--backend", "sglang", "--worker", "2xtp2")
    assert simkit("estimate", *words, *GPU, *LOAD, "--dgd", out).status == 0
    assert read_dgd(out).deployment.worker.replicas == 2


def test_what_is_not_modelled_is_shown(simkit):
    command = "HF_TOKEN=hf_secret " + QWEN + " --brand-new 1"
    shown = " ".join(simkit("estimate", "--command", command, *GPU).out.split())
    assert "flags not modelled: --brand-new" in shown
    assert "environment variables not modelled: HF_TOKEN" in shown
    notes = json.loads(simkit("estimate", "--command", command, *GPU, "--format", "json").out)["notes"]
    assert "flags not modelled: --brand-new" in notes
    assert "hf_secret" not in shown + json.dumps(notes)


REFUSED = {
    "more GPUs than there are": (
        ("--command", QWEN + " -pp 4", "--total-gpus", "4"),
        "takes 8 GPUs (1 x tp2pp4)",
    ),
    "another backend": (("--command", QWEN, "--backend", "sglang"), "the command starts vllm"),
    "with a layout": (("--command", QWEN, "--worker", "tp2"), "give one of them"),
    "with a DGD": (("x.yaml", "--command", QWEN), "give one of them"),
    "a DGD of a DGD": (("x.yaml", "--dgd", "y.yaml"), "is a DGD already"),
    "a mode": (("--command", QWEN, "--mode", "agg"), "drop --mode"),
    "unknown quantisation": (("--command", QWEN + " -q fp9"), "did you mean fp8"),
    "does not fit": (("--command", "vllm serve meta-llama/Llama-3.1-70B"), "use more GPUs per engine"),
    "no engine": (("--command", "rm -rf /"), "no engine is started"),
    "NUL": (("--command", QWEN + "\0"), "NUL byte"),
    "open quotes": (("--command", QWEN + " '"), "close the quotes"),
    "nowhere to write": (("--command", QWEN, "--dgd", "/proc/none/x.yaml"), "cannot be written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_line_and_exit_two(simkit, name):
    words, part = REFUSED[name]
    done = simkit("estimate", *words, *GPU)
    assert done.status == 2
    assert part in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_missed_bound_exits_one(simkit):
    assert simkit("estimate", "--command", QWEN, *GPU, *LOAD, "--ttft", "6", "--itl", "1").status == 1
    assert simkit("estimate", "--command", QWEN, *GPU, *LOAD, "--ttft", "60000", "--itl", "900").status == 0


def test_the_module_reads_standard_input():
    command = [sys.executable, "-m", "simkit", "estimate", "--command", "-", *GPU, *LOAD, "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, input=QWEN, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["plan"]["tp"] == 2
