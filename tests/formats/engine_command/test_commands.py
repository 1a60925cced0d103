"""Command lines of engines as deployments: a table of real ones, pairs, files, refusals, round trips."""

# ruff: noqa: E501  # command lines are kept whole

import importlib.util
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.errors import InputError
from simkit.engines.flag_writer import worker_args
from simkit.engines.registry import default_engine, engine_names, engine_spec
from simkit.engines.spec import WorkerContext
from simkit.formats.engine_command.read import parse_command, read_command
from simkit.search.space import SpaceRules, plan_space

_spec = importlib.util.spec_from_file_location("command_table", Path(__file__).with_name("command_table.py"))
table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)
CASES = [
    pytest.param(backend, case, id=f"{backend} {name}")
    for backend, cases in table.TABLES.items()
    for name, case in cases.items()
]


def test_each_engine_has_a_dozen_command_lines():
    assert {backend: len(cases) >= 12 for backend, cases in table.TABLES.items()} == dict.fromkeys(
        engine_names(), True
    )


@pytest.mark.parametrize(("backend", "case"), CASES)
def test_a_command_line_is_read(backend, case):
    found = parse_command(case.text)
    worker = found.deployment.worker
    assert found.model == case.model
    assert (worker.plan, worker.replicas) == (case.plan, case.replicas)
    assert worker.engine == replace(default_engine(backend), **case.engine)
    formats = {name: getattr(found.deployment.precision, name) for name in case.formats}
    assert formats == case.formats
    for part in case.notes:
        assert any(part in note for note in found.notes), found.notes


@pytest.mark.parametrize(("backend", "case"), CASES)
def test_no_value_of_the_environment_is_told(backend, case):
    notes = " ".join(parse_command(case.text).notes)
    assert "hf_secret" not in notes
    assert "top-secret" not in notes


def test_flags_of_the_server_alone_are_not_listed():
    text = "vllm serve Qwen/Qwen3-32B --port 1 --chat-template x --tool-call-parser hermes --no-enable-log-requests"
    assert not [note for note in parse_command(text).notes if "not modelled" in note]


PAIRS = {
    "dynamo": (
        "python3 -m dynamo.vllm --model Qwen/Qwen3-32B -tp 2 --disaggregation-mode {prefill}",
        "python3 -m dynamo.vllm --model Qwen/Qwen3-32B -tp 4 --disaggregation-mode {decode}",
        ("prefill", "decode"),
    ),
    "vllm": (
        'vllm serve Qwen/Qwen3-32B -tp 2 --kv-transfer-config \'{{"kv_role": "{prefill}"}}\'',
        'vllm serve Qwen/Qwen3-32B -tp 4 --kv-transfer-config \'{{"kv_role": "{decode}"}}\'',
        ("kv_producer", "kv_consumer"),
    ),
    "sglang": (
        "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --tp 2 --disaggregation-mode {prefill}",
        "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --tp 4 --disaggregation-mode {decode}",
        ("prefill", "decode"),
    ),
    "trtllm": (
        "trtllm-serve Qwen/Qwen3-32B --tp_size 2 --server_role {prefill}",
        "trtllm-serve Qwen/Qwen3-32B --tp_size 4 --server_role {decode}",
        ("CONTEXT", "GENERATION"),
    ),
    "older dynamo": (
        "python3 -m dynamo.vllm --model Qwen/Qwen3-32B -tp 2 --is-{prefill}-worker",
        "python3 -m dynamo.vllm --model Qwen/Qwen3-32B -tp 4 --is-{decode}-worker",
        ("prefill", "decode"),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_prefill_and_decode_commands_make_one_deployment(name):
    one, other, roles = PAIRS[name]
    names = {"prefill": roles[0], "decode": roles[1]}
    lines = [one.format(**names), other.format(**names), one.format(**names)]
    found = parse_command("python3 -m dynamo.frontend --router-mode kv &\n" + " &\n".join(lines))
    assert isinstance(found.deployment, Disaggregated)
    prefill, decode = found.deployment.prefill, found.deployment.decode
    assert (prefill.plan, prefill.replicas) == (ParallelPlan(tp=2), 2)  # two equal commands
    assert (decode.plan, decode.replicas) == (ParallelPlan(tp=4), 1)
    assert "other commands, not read: python3" in found.notes
    with pytest.raises(InputError, match="a prefill pool without a decode pool"):
        parse_command(lines[0])


def test_settings_in_a_file_win_over_tensorrt_llm_flags(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text(
        "tensor_parallel_size: 8\nenable_attention_dp: true\nmoe_expert_parallel_size: 8\nmax_batch_size: 48\n"
        "kv_cache_config:\n  dtype: fp8\n  free_gpu_memory_fraction: 0.6\n  enable_block_reuse: false\n"
        "speculative_config:\n  decoding_type: MTP\nenable_chunked_prefill: true\ncuda_graph_config: null\n"
        "moe_config:\n  backend: CUTLASS\n"
    )
    for flag in ("--extra_llm_api_options", "--config"):
        found = parse_command(
            f"trtllm-serve deepseek-ai/DeepSeek-R1 --tp_size 4 --max_batch_size 9 {flag} {path}"
        )
        worker = found.deployment.worker
        assert worker.plan == ParallelPlan(attn_dp=8, ep=8)
        assert (worker.engine.max_num_seqs, worker.engine.memory_frac) == (48, 0.6)
        assert not worker.engine.prefix_caching
        assert not worker.engine.cuda_graphs
        assert worker.engine.speculative
        assert found.deployment.precision.kv == "fp8"
        assert any("--trtllm.moe_config.backend" in note for note in found.notes)
    line = f"python3 -m dynamo.trtllm --model deepseek-ai/DeepSeek-R1 --extra-engine-args {path}"
    override = " --override-engine-args '{\"max_batch_size\": 5}'"
    assert parse_command(line + override).deployment.worker.engine.max_num_seqs == 5


def test_flags_win_over_the_file_of_the_other_engines(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("model-path: Qwen/Qwen3-32B\ntensor-parallel-size: 4\nmax-running-requests: 7\n"
                    "disable-radix-cache: true\n")  # fmt: skip
    found = parse_command(
        f"python -m sglang.launch_server --config {path} --max-running-requests 9"
    ).deployment.worker
    assert (found.plan.tp, found.engine.max_num_seqs, found.engine.prefix_caching) == (4, 9, False)
    path.write_text("model: Qwen/Qwen3-32B\ntensor-parallel-size: 2\nenable-prefix-caching: false\n")
    worker = parse_command(f"vllm serve --config {path}").deployment.worker
    assert (worker.plan.tp, worker.engine.prefix_caching) == (2, False)


def test_a_file_or_standard_input_holds_the_command(tmp_path, monkeypatch):
    path = tmp_path / "run.sh"
    path.write_text("#!/bin/bash\nset -euo pipefail\nvllm serve Qwen/Qwen3-32B \\\r\n  -tp 2\r\n")
    assert read_command(f"@{path}").deployment.worker.plan.tp == 2
    with path.open() as handle:
        monkeypatch.setattr("sys.stdin", handle)
        assert read_command("-").deployment.worker.plan.tp == 2


def test_the_model_may_be_given_beside_the_command():
    found = parse_command("vllm serve /models/ours -tp 2", model="Qwen/Qwen3-32B")
    assert found.model == "Qwen/Qwen3-32B"


Q = "vllm serve Qwen/Qwen3-32B "
REFUSED = {
    "tp over the GPUs of docker": ("docker run --gpus 2 vllm/vllm-openai --model Qwen/Qwen3-32B -tp 4", "given 2"),
    "tp over the visible GPUs": ("CUDA_VISIBLE_DEVICES=0,1 " + Q + "-tp 2 -pp 2", "need 4 GPUs (1 x tp2pp2)"),
    "over two nodes": (
        "CUDA_VISIBLE_DEVICES=0,1 python -m sglang.launch_server --model-path Qwen/Qwen3-32B --tp 8 --nnodes 2",
        "given 4 on 2 nodes",
    ),
    "uneven nodes": ("sglang serve --model-path Qwen/Qwen3-32B --tp 8 --nnodes 3", "do not divide over 3 nodes"),
    "heads": (Q + "-tp 3", "do not divide"),
    "stages": (Q + "-pp 1000", "1000 pipeline stages for 64 layers"),
    "experts": ("vllm serve deepseek-ai/DeepSeek-R1 -dp 3 -ep", "experts do not divide by ep 3"),
    "vllm quantisation": (Q + "-q fb8", "unknown vllm quantization 'fb8'; did you mean fp8"),
    "sglang quantisation": (
        "sglang serve --model-path Qwen/Qwen3-32B --quantization w8a8_in8", "did you mean w8a8_int8",
    ),
    "cache format": (Q + "--kv-cache-dtype fp8_e4m4", "did you mean fp8_e4m3"),
    "switched both ways": (Q + "--enable-prefix-caching --no-enable-prefix-caching", "contradict each other"),
    "two models": (Q + "--model Qwen/Qwen3-8B", "two models are named"),
    "models of two engines": (Q + "\nvllm serve Qwen/Qwen3-8B", "engines of different models"),
    "two kinds of engine": (Q + "-tp 2\n" + Q + "-tp 4", "both aggregated pools"),
    "unknown model": ("vllm serve Qwen/Qwen33-32B", "unknown model 'Qwen/Qwen33-32B'; did you mean Qwen/"),
    "an empty model": ("vllm serve '' -tp 2", "no model is named"),
    "no model": ("vllm serve --port 8000", "no model is named"),
    "a variable without a value": ("vllm serve $MODEL -tp 2", "shell variable without a value"),
    "a size from a substitution": (Q + "-tp $(nvidia-smi -L | wc -l)", "got '${command_substitution}'"),
    "no engine": ("rm -rf / ; ls", "no engine is started in it (it runs rm, ls)"),
    "another server": ("trtllm-serve disaggregated -c x.yaml", "give the commands of its context and generation"),
    "an encoder": ("python -m dynamo.vllm --model Qwen/Qwen3-32B --disaggregation-mode encode", "got 'encode'"),
    "context parallelism": ("trtllm-serve Qwen/Qwen3-32B --cp_size 2", "context parallelism"),
    "a placeholder": ("vllm serve <your model> -tp 2", "model '<your model>': a placeholder; write it out"),
    "a placeholder of a size": ("vllm serve Qwen/Qwen3-8B -tp <N>", "got '<N>'"),
    "a file that is not here": ("trtllm-serve Qwen/Qwen3-32B --config /nowhere/x.yaml", "is not here"),
    "typographic dash": (Q + "\u2013tp 4", "typographic dash"),
    "memory": (Q + "--gpu-memory-utilization 1.5", "memory_frac must be in (0, 1]"),
    "huge number": (Q + "--max-num-seqs " + "9" * 400, "expected a positive whole number"),
    "connector": (Q + "--kv-transfer-config {bad", "--kv-transfer-config: not valid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_refused_in_one_line(name):
    text, part = REFUSED[name]
    with pytest.raises(InputError) as refused:
        parse_command(text)
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


def plans(backend, model):
    """Every plan that the search may choose on two nodes."""
    rules = SpaceRules(max_gpus=16, backend=backend, max_nodes=2)
    return plan_space(load_model(model).shape, gpu("h200_sxm"), rules)


def dynamo_command(pool, role, model):
    context = WorkerContext(model_name=model, model_path=model, precision=Precision(kv="fp8"), kv_events=True)
    words = [
        "python3",
        "-m",
        engine_spec(pool.engine.backend).worker.module,
        *worker_args(pool, role, context),
    ]
    return shlex.join(words)


SETTINGS = st.fixed_dictionaries({
    "max_num_seqs": st.integers(1, 4096),
    "max_num_batched_tokens": st.integers(1, 65_536),
    "memory_frac": st.sampled_from([0.5, 0.75, 0.9, 0.925]),
    "kv_block_tokens": st.sampled_from([8, 64, 128]),
    "prefix_caching": st.booleans(),
    "max_model_len": st.none() | st.integers(1024, 131_072),
})  # fmt: skip


@given(data=st.data(), settings=SETTINGS)
@pytest.mark.parametrize("model", [table.QWEN, table.MIX])
@pytest.mark.parametrize("backend", engine_names())
def test_every_plan_written_is_read_as_the_same_deployment(backend, model, data, settings):
    some = st.sampled_from(plans(backend, model))
    wanted = [Pool(plan=data.draw(some), engine=default_engine(backend, **settings)) for _ in range(2)]
    found = parse_command(dynamo_command(wanted[0], "aggregated", model)).deployment
    assert isinstance(found, Aggregated)
    assert found.worker == wanted[0]
    assert found.precision.kv == "fp8"
    lines = [
        dynamo_command(pool, role, model) for pool, role in zip(wanted, ("prefill", "decode"), strict=True)
    ]
    pair = parse_command(" &\n".join(lines)).deployment
    assert (pair.prefill, pair.decode) == tuple(wanted)


@pytest.mark.parametrize("model", [table.QWEN, table.MIX])
@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_the_engines_own_servers_are_read_as_dynamos_workers(backend, model):
    start = {"vllm": "vllm serve", "sglang": "sglang serve"}[backend]
    for plan in plans(backend, model):
        command = dynamo_command(Pool(plan=plan, engine=default_engine(backend)), "aggregated", model)
        own = f"{start} {command.split(maxsplit=3)[3]}"
        assert parse_command(own).deployment == parse_command(command).deployment
