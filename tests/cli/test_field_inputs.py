"""Files as people have them, one for each kind that was once refused or read wrongly, at the command line."""

import json
from pathlib import Path

import pytest

FIELD = Path(__file__).resolve().parents[1] / "fixtures" / "field"
LOAD = ("--gpu", "h200_sxm", "--concurrency", "16", "--isl", "1024", "--osl", "256")


def words_of(name):
    path = FIELD / name
    if path.suffix == ".yaml":
        return ("estimate", path)
    if path.suffix == ".json":
        return ("estimate", "--model", path, "--worker", "1xtp4", "--backend", "vllm")
    return ("estimate", "--command", f"@{path}")


def estimated(simkit, name, *more):
    done = simkit(*words_of(name), *LOAD, "--format", "json", *more)
    assert done.status in (0, 1), done.err + done.out
    return json.loads(done.out)


def plan_of(found):
    return found["plan"]["tp"], found["plan"]["ep"], found["replicas"]


# File: plan (tp, ep, replicas), format of the cache, most sequences, weights [GiB per GPU]; None: any.
READ = {
    "m01_moe_settings_file.yaml": ((4, 1, 1), None, None, 14.2),
    "m02_configmap.yaml": ((4, 4, 1), "fp8", 96, 14.2),
    "m03_sglang_config_flag.yaml": ((4, 1, 1), "fp8", None, 8.4),
    "m04_env_in_shell.yaml": ((2, 1, 1), None, None, None),
    "m05_env_dollar_paren.yaml": ((2, 1, 1), None, 64, None),
    "m06_comment_quote.yaml": ((2, 1, 1), None, None, None),
    "m07_decode_alone.yaml": ((2, 1, 4), None, None, None),
    "m08_empty_container_name.yaml": ((2, 1, 4), None, None, None),
    "m10_long_name.yaml": ((1, 1, 1), None, None, None),
    "m11_other_kinds.yaml": ((2, 1, 4), None, None, None),
    "m15_served_name_bf16.yaml": ((1, 1, 1), None, None, 32.0),
    "m21_docker_pull.sh": ((2, 1, 1), None, None, None),
    "m22_abbrev.txt": ((4, 1, 1), None, 30, None),
    "m26_mxfp4_dense.txt": ((4, 1, 1), None, None, 9.5),
    "m27_continuation.yaml": ((1, 1, 1), "fp8", 16, 8.8),
    "m43_gptq8.json": ((4, 1, 1), None, None, 17.5),
    "m45_bnb_nf4.json": ((4, 1, 1), None, None, 9.5),
    "m47_quark_mxfp4.json": ((4, 1, 1), None, None, 9.5),
}
WITHIN = 0.06  # the text's figures have two or three digits


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_as_it_runs(simkit, name):
    plan, cache, most, weights = READ[name]
    found = estimated(simkit, name)
    assert plan_of(found) == plan
    assert cache in (None, found["engine"]["kv_dtype"])
    assert most in (None, found["engine"]["max_num_seqs"])
    if weights is not None:
        assert found["memory_gib"]["weights"] == pytest.approx(weights, rel=WITHIN)


def test_what_is_passed_over_is_named(simkit):
    assert "ComputeDomain cd" in simkit(*words_of("m11_other_kinds.yaml"), *LOAD).err


def test_two_workers_of_type_main_are_one_prefill_and_one_decode_engine(simkit):
    found = estimated(simkit, "m09_type_main.yaml")
    assert (found["prefill"]["workers"], found["decode"]["workers"]) == (1, 1)


def test_a_long_name_of_a_single_node_is_valid(simkit):
    assert simkit("validate", FIELD / "m10_long_name.yaml").status == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("m23_dcp.txt", "context parallel"), ("m17_spec_flags.yaml", "multi-token prediction")],
)
def test_what_cannot_be_predicted_is_refused_with_the_reason(simkit, name, reason):
    done = simkit(*words_of(name), *LOAD)
    assert done.status == 2
    assert reason in done.err


def test_expert_parallelism_splits_no_block_of_a_shared_expert(simkit):
    found = estimated(simkit, "m25_step_fp8.txt")
    assert plan_of(found) == (8, 8, 1)


@pytest.mark.parametrize(
    ("name", "total", "active", "cached"),
    [("m40_moe_keys.json", 53.7e9, 8.6e9, None), ("m42_conv_hybrid.json", None, None, 4096)],
)
def test_keys_of_other_families_are_understood(simkit, name, total, active, cached):
    model = estimated(simkit, name)["model"]
    for key, wanted in (("total_params", total), ("active_params", active), ("kv_bytes_per_token", cached)):
        assert wanted is None or model[key] == pytest.approx(wanted, rel=0.01)


def test_each_setting_is_told_with_its_file_and_line(simkit):
    found = estimated(simkit, "m02_configmap.yaml", "--explain-reading")["reading"]
    places = {
        row["setting"]: (row["given"], row["value"], row["place"].rpartition(" ")[2])
        for row in found["settings"]
    }
    assert places["tensor parallel"] == ("--trtllm.tensor_parallel_size", "4", "6")
    assert places["cache format"] == ("--trtllm.kv_cache_config.dtype", "fp8", "11")
    assert places["model"] == ("--model", "Qwen/Qwen3-30B-A3B", "29")
    assert found["pools"][0]["max_num_seqs"] == 96


def test_what_was_read_stands_before_what_is_predicted(simkit):
    text = simkit(*words_of("m27_continuation.yaml"), *LOAD).out
    assert "weights fp8; cache fp8; 16 sequences" in " ".join(text.split())
    assert text.index("read worker") < text.index("TTFT")
