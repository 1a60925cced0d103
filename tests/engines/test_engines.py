"""Worker arguments: what each engine is told, and that it is read back as the same pool."""

import pytest

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.errors import InputError, UnknownNameError
from simkit.engines.flag_parser import parse_worker_args
from simkit.engines.flag_writer import worker_args
from simkit.engines.registry import default_engine, engine_names
from simkit.engines.spec import WorkerContext
from simkit.launch.container import container_start


def command_tokens(command, args):
    return list(container_start({"command": command, "args": args}).tokens)


PLANS = {
    "one": ParallelPlan(),
    "tp": ParallelPlan(tp=4),
    "tp-pp": ParallelPlan(tp=8, pp=2),
    "moe-tp": ParallelPlan(tp=8, moe_tp=8),
    "tep": ParallelPlan(tp=8, ep=8),
    "tep-tp": ParallelPlan(tp=8, moe_tp=2, ep=4),
    "dep": ParallelPlan(attn_dp=16, ep=16),
    "dp-tp-ep": ParallelPlan(tp=2, attn_dp=4, ep=8),
    "dense-dp": ParallelPlan(tp=2, attn_dp=2),
}
# What an engine's flags cannot say.
IMPOSSIBLE = {("vllm", "tep-tp"), ("trtllm", "dp-tp-ep"), ("trtllm", "dense-dp")}


def context(**changes):
    return WorkerContext(**{"model_name": "org/model", "model_path": "/models/m", **changes})


def pool(backend, plan, **options):
    return Pool(plan=plan, engine=default_engine(backend, **options))


def pairs(args):
    """Flags with a value, as a dict; valueless flags map to None."""
    found, index = {}, 0
    while index < len(args):
        name = args[index]
        assert name.startswith("-"), f"{name} is no flag"
        has_value = index + 1 < len(args) and not args[index + 1].startswith("--")
        found[name] = args[index + 1] if has_value else None
        index += 2 if has_value else 1
    return found


@pytest.mark.parametrize("role", ["aggregated", "prefill", "decode"])
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("backend", engine_names())
def test_what_is_written_is_read_back(backend, name, role):
    plan = PLANS[name]
    wanted = pool(backend, plan, max_num_seqs=48, max_num_batched_tokens=3072, kv_block_tokens=64)
    moe = plan.moe_tp * plan.ep > 1
    if (backend, name) in IMPOSSIBLE:
        with pytest.raises(InputError, match="plan "):
            worker_args(wanted, role, context())
        return
    kv = context(precision=Precision(kv="fp8"), trust_remote_code=True, kv_events=True)
    found = parse_worker_args(backend, worker_args(wanted, role, kv), moe=moe)
    assert found.plan == plan
    assert found.engine == wanted.engine
    assert found.kv_dtype == "fp8"
    assert (found.model_name, found.model_path) == ("org/model", "/models/m")
    assert found.role == (None if role == "aggregated" else role)
    assert found.unknown == ()


@pytest.mark.parametrize("backend", engine_names())
@pytest.mark.parametrize(
    "changes",
    [{"prefix_caching": False}, {"memory_frac": 0.5}, {"max_num_seqs": 1}, {"cuda_graphs": False}],
)
def test_settings_are_read_back(backend, changes):
    wanted = pool(backend, ParallelPlan(), **changes)
    role = "prefill" if backend == "trtllm" else "aggregated"
    found = parse_worker_args(backend, worker_args(wanted, role, context())).engine
    if backend == "trtllm" and "cuda_graphs" in changes:
        assert found.cuda_graphs  # a prefill worker replays no graphs, and there is no flag
    else:
        assert found == wanted.engine


def test_vllm_counts_tensor_parallel_per_data_parallel_rank():
    flags = pairs(worker_args(pool("vllm", ParallelPlan(tp=2, attn_dp=4, ep=8)), "aggregated", context()))
    assert flags["--tensor-parallel-size"] == "2"
    assert flags["--data-parallel-size"] == "4"
    assert "--enable-expert-parallel" in flags


def test_sglang_counts_the_whole_attention_group_and_all_ranks_requests():
    wanted = pool("sglang", ParallelPlan(tp=2, attn_dp=4, ep=8), max_num_seqs=10, max_num_batched_tokens=1000)
    flags = pairs(worker_args(wanted, "aggregated", context()))
    assert flags["--tensor-parallel-size"] == "8"  # 2 x 4
    assert flags["--data-parallel-size"] == "4"
    assert "--enable-dp-attention" in flags
    assert flags["--expert-parallel-size"] == "8"
    assert flags["--max-running-requests"] == "40"  # 4 ranks x 10
    assert flags["--chunked-prefill-size"] == "4000"  # shared by 4 ranks
    assert flags["--max-prefill-tokens"] == "1000"  # each rank's own


def test_trtllm_spreads_attention_over_the_whole_group():
    flags = pairs(worker_args(pool("trtllm", ParallelPlan(attn_dp=8, ep=8)), "aggregated", context()))
    assert flags["--tensor-parallel-size"] == "8"
    assert flags["--expert-parallel-size"] == "8"
    assert "--enable-attention-dp" in flags
    plain = pairs(worker_args(pool("trtllm", ParallelPlan(tp=8)), "aggregated", context()))
    assert "--enable-attention-dp" not in plain


def test_trtllm_gives_every_cache_setting_dotted():
    # One dotted kv_cache_config key replaces what the plain flags say, so none may be plain.
    flags = pairs(worker_args(pool("trtllm", ParallelPlan()), "aggregated", context()))
    assert flags["--trtllm.kv_cache_config.free_gpu_memory_fraction"] == "0.9"
    assert flags["--trtllm.kv_cache_config.enable_block_reuse"] == "true"
    assert flags["--trtllm.kv_cache_config.dtype"] == "auto"
    assert "--free-gpu-memory-fraction" not in flags


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_disaggregated_roles(role):
    vllm = pairs(worker_args(pool("vllm", ParallelPlan()), role, context()))
    side = {"prefill": "kv_producer", "decode": "kv_consumer"}[role]
    assert vllm["--kv-transfer-config"] == f'{{"kv_connector":"NixlConnector","kv_role":"{side}"}}'
    sglang = pairs(worker_args(pool("sglang", ParallelPlan()), role, context()))
    assert sglang["--disaggregation-transfer-backend"] == "nixl"
    assert sglang["--disaggregation-bootstrap-port"] == "12345"
    assert sglang["--host"] == "0.0.0.0"  # noqa: S104
    trtllm = pairs(worker_args(pool("trtllm", ParallelPlan()), role, context()))
    assert trtllm["--trtllm.cache_transceiver_config.backend"] == "DEFAULT"
    assert ("--trtllm.disable_overlap_scheduler" in trtllm) == (role == "prefill")
    for flags in (vllm, sglang, trtllm):
        assert flags["--disaggregation-mode"] == role


@pytest.mark.parametrize("backend", engine_names())
def test_an_aggregated_worker_has_no_role_flags(backend):
    flags = pairs(worker_args(pool(backend, ParallelPlan()), "aggregated", context()))
    assert not [name for name in flags if "disagg" in name or "transfer" in name or "transceiver" in name]


@pytest.mark.parametrize(
    ("backend", "flag"),
    [("vllm", "--kv-events-config"), ("sglang", "--kv-events-config"), ("trtllm", "--publish-kv-events")],
)
def test_the_kv_router_is_told_of_cached_blocks(backend, flag):
    wanted = pool(backend, ParallelPlan())
    told = context(kv_events=True)
    assert flag in worker_args(wanted, "aggregated", told)
    assert flag in worker_args(wanted, "prefill", told)
    assert flag not in worker_args(wanted, "decode", told)
    assert flag not in worker_args(wanted, "aggregated", context())
    assert flag not in worker_args(pool(backend, ParallelPlan(), prefix_caching=False), "aggregated", told)


@pytest.mark.parametrize("backend", engine_names())
def test_block_size_is_left_to_the_engine_at_its_default(backend):
    args = worker_args(pool(backend, ParallelPlan()), "aggregated", context())
    assert not {"--block-size", "--page-size", "--kv-block-size"} & set(args)


@pytest.mark.parametrize(
    ("backend", "changes", "expected"),
    [
        ("vllm", {"mixed_steps": False}, "always mixes prefill chunks"),
        ("trtllm", {"mixed_steps": False}, "always mixes prefill chunks"),
        ("trtllm", {"cuda_graphs": False}, "no flag that turns CUDA graphs off"),
        ("sglang", {"speculative": True}, "draft model cannot be written"),
    ],
)
def test_settings_without_a_flag_are_refused(backend, changes, expected):
    with pytest.raises(InputError, match=expected):
        worker_args(pool(backend, ParallelPlan(), **changes), "aggregated", context())


def test_a_cache_format_the_engine_lacks_is_refused():
    with pytest.raises(InputError, match="vllm cannot store the KV cache as nvfp4; choose one of bf16"):
        worker_args(pool("vllm", ParallelPlan()), "aggregated", context(precision=Precision(kv="nvfp4")))


@pytest.mark.parametrize(
    ("backend", "args", "plan"),
    [
        ("vllm", ["-tp", "4", "-pp=2"], ParallelPlan(tp=4, pp=2)),
        ("vllm", ["--tensor_parallel_size", "4"], ParallelPlan(tp=4)),
        ("vllm", ["-dp", "8", "-ep"], ParallelPlan(attn_dp=8, ep=8)),
        ("vllm", ["--tensor-parallel-size=2", "--tensor-parallel-size", "8"], ParallelPlan(tp=8)),
        ("sglang", ["--tp", "4"], ParallelPlan(tp=4)),
        ("sglang", ["--tp-size=8", "--dp-size", "8", "--enable-dp-attention", "--ep-size", "8"],
         ParallelPlan(attn_dp=8, ep=8)),
        ("sglang", ["--tp", "2", "--dp", "4"], ParallelPlan(tp=2, attn_dp=4)),
        ("trtllm", ["--tensor-parallel-size", "8", "--trtllm.enable_attention_dp", "true",
                    "--expert-parallel-size", "8"], ParallelPlan(attn_dp=8, ep=8)),
        ("trtllm", ["--tensor-parallel-size", "8", "--trtllm.enable_attention_dp", "false"],
         ParallelPlan(tp=8)),
        ("trtllm", ["--override-engine-args", '{"tensor_parallel_size": 4, "enable_attention_dp": true}'],
         ParallelPlan(attn_dp=4)),
    ],
)  # fmt: skip
def test_aliases_and_spellings(backend, args, plan):
    assert parse_worker_args(backend, args).plan == plan


def test_settings_from_hand_written_flags():
    args = "--max-num-batched-tokens 8k --max-num-seqs=64 --quantization awq --kv-cache-dtype fp8_e5m2"
    found = parse_worker_args("vllm", [*args.split(), "--enforce-eager", "--no-enable-prefix-caching"])
    assert found.engine.max_num_batched_tokens == 8000
    assert found.engine.max_num_seqs == 64
    assert not found.engine.cuda_graphs
    assert not found.engine.prefix_caching
    assert (found.quantization, found.weight_dtype, found.kv_dtype) == ("awq", "int4_wo", "fp8")
    assert parse_worker_args("vllm", ["--max-num-batched-tokens", "8K"]).engine.max_num_batched_tokens == 8192


def test_trtllm_settings_in_override_json():
    json_text = '{"kv_cache_config": {"enable_block_reuse": false, "dtype": "fp8"}, "max_batch_size": 7}'
    found = parse_worker_args("trtllm", ["--override-engine-args", json_text])
    assert (found.engine.prefix_caching, found.engine.max_num_seqs, found.kv_dtype) == (False, 7, "fp8")


def test_sglang_without_a_chunk_is_bound_by_the_prefill_limit():
    found = parse_worker_args("sglang", ["--max-prefill-tokens", "5500", "--chunked-prefill-size", "-1"])
    assert found.engine.max_num_batched_tokens == 5500


def test_unknown_flags_are_kept_with_their_names_only():
    args = ["--tp", "2", "--cuda-graph-bs-decode", "1", "2", "4", "--brand-new", "x", "--another"]
    found = parse_worker_args("sglang", args)
    assert found.plan == ParallelPlan(tp=2)
    assert found.unknown == ("--brand-new", "--another")


def test_experts_without_expert_parallelism_are_split_by_tensor_parallelism():
    args = ["--tensor-parallel-size", "8"]
    assert parse_worker_args("vllm", args, moe=True).plan == ParallelPlan(tp=8, moe_tp=8)
    assert parse_worker_args("vllm", args, moe=False).plan == ParallelPlan(tp=8)
    assert parse_worker_args("vllm", args).plan == ParallelPlan(tp=8)


@pytest.mark.parametrize(
    ("backend", "args", "expected"),
    [
        ("vllm", ["-tp", "four"], "expected a positive whole number, got 'four'"),
        ("vllm", ["-tp", "0"], "must be at least 1"),
        ("vllm", ["--gpu-memory-utilization", "high"], "expected a number, got 'high'"),
        ("vllm", ["--kv-cache-dtype", "fp3"], "unknown number format 'fp3'"),
        ("vllm", ["--disaggregation-mode", "both"], "expected prefill, decode or agg"),
        ("sglang", ["--tp", "4", "--dp", "3", "--enable-dp-attention"], "not a multiple of data-parallel"),
        ("sglang", ["--tp", "4", "--ep", "3"], "expert-parallel size 3 does not divide the 4 GPUs"),
        ("trtllm", ["--override-engine-args", "{bad"], "not valid JSON"),
    ],
)
def test_bad_values_are_told(backend, args, expected):
    with pytest.raises(InputError, match=expected):
        parse_worker_args(backend, args)


def test_an_unknown_backend_is_told():
    with pytest.raises(UnknownNameError, match="did you mean vllm"):
        parse_worker_args("vlm", [])


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (["python3", "-m", "dynamo.vllm"], ["--model", "m", "-tp", "2"]),
        (["python3"], ["-m", "dynamo.vllm", "--model", "m", "-tp", "2"]),
        (["/bin/sh", "-c"], ["python3 -m dynamo.vllm --model m -tp 2"]),
        ([], ["python3 -m dynamo.vllm --model m -tp 2"]),
    ],
)
def test_command_lines_are_read_however_they_are_written(command, args):
    found = parse_worker_args("vllm", command_tokens(command, args))
    assert (found.plan.tp, found.model_path) == (2, "m")


def test_json_values_are_not_split():
    tokens = command_tokens([], ["--kv-transfer-config", '{"a": "b c"}'])
    assert tokens == ["--kv-transfer-config", '{"a": "b c"}']
    with pytest.raises(InputError, match="close the quotes"):
        command_tokens(["sh", "-c"], ["echo 'open"])


@pytest.mark.parametrize(
    ("backend", "flag", "field"),
    [
        ("sglang", "--scheduler-recv-interval", "poll_steps"),
        ("trtllm", "--trtllm.batch_wait_timeout_iters", "hold_steps"),
    ],
)
def test_steps_that_new_requests_wait_are_read_and_written(backend, flag, field):
    asked = pool(backend, PLANS["tp"], **{field: 30})
    args = worker_args(asked, "aggregated", context())
    assert pairs(args)[flag] == "30"
    assert getattr(parse_worker_args(backend, args).engine, field) == 30
    silent = worker_args(pool(backend, PLANS["tp"]), "aggregated", context())
    assert flag not in silent
    assert getattr(parse_worker_args(backend, silent).engine, field) == 0


def test_a_look_at_every_step_is_no_wait():
    args = ["--model-path", "m", "--scheduler-recv-interval", "1"]
    assert parse_worker_args("sglang", args).engine.poll_steps == 0
