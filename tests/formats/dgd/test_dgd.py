"""DynamoGraphDeployments read back: real ones, hand-edited ones, and those that cannot be modelled."""

import copy
from pathlib import Path

import pytest

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated
from simkit.core.errors import InputError
from simkit.formats.dgd.read import ModelHint, catalogue_hint, parse_dgd, read_dgd
from simkit.io.yamlio import load_documents, parse_documents

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden" / "dgd"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")


def worker(name="worker", kind="worker", args=(), gpus="1", module="dynamo.vllm", **fields):
    container = {
        "name": "main",
        "image": "registry/vllm-runtime:1.6.1",
        "command": ["python3", "-m", module],
        "args": ["--model", "org/model", *args],
    }
    if gpus is not None:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    return {"name": name, "type": kind, "podTemplate": {"spec": {"containers": [container]}}, **fields}


FRONTEND = {
    "name": "Frontend",
    "type": "frontend",
    "podTemplate": {"spec": {"containers": [{"name": "main", "image": "registry/vllm-runtime:1.6.1"}]}},
}


def dgd(*components, **metadata):
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "demo", **metadata},
        "spec": {"components": [FRONTEND, *components]},
    }


def parse(*components, hint=None, **metadata):
    hint_of = None if hint is None else lambda name: hint
    return parse_dgd([dgd(*components, **metadata)], source="f.yaml", hint_of=hint_of)


def test_an_aggregated_deployment():
    parsed = parse(worker(args=["-tp", "4", "--max-num-seqs", "64"], gpus="4", replicas=3))
    assert isinstance(parsed.deployment, Aggregated)
    assert parsed.deployment.worker.plan == ParallelPlan(tp=4)
    assert parsed.deployment.worker.replicas == 3
    assert parsed.deployment.worker.engine.max_num_seqs == 64
    assert (parsed.model, parsed.name, parsed.image) == ("org/model", "demo", "registry/vllm-runtime:1.6.1")
    assert parsed.notes == ()


def test_a_disaggregated_deployment_over_nodes():
    parsed = parse(
        worker("decode", "decode", ["--data-parallel-size", "16", "-ep"], "8", multinode={"nodeCount": 2}),
        worker("prefill", "prefill", ["-tp", "2"], "2", replicas=4),
        hint=ModelHint(moe=True),
    )
    assert isinstance(parsed.deployment, Disaggregated)
    assert parsed.deployment.prefill.plan == ParallelPlan(tp=2, moe_tp=2)
    assert parsed.deployment.prefill.replicas == 4
    assert parsed.deployment.decode.plan == ParallelPlan(attn_dp=16, ep=16)


def test_a_worker_without_a_type_is_known_by_its_command():
    part = worker(args=["--disaggregation-mode", "prefill"], name="p")
    other = worker(args=["--disaggregation-mode", "decode"], name="d")
    del part["type"], other["type"]
    assert parse(part, other).deployment.mode == "disagg"


def test_config_maps_beside_the_deployment_are_fine():
    documents = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}, dgd(worker())]
    assert parse_dgd(documents, source="f").model == "org/model"


def test_flags_win_over_what_is_known_of_the_model():
    hint = ModelHint(precision=Precision(gemm="fp8_block", moe="fp8_block"))
    assert parse(worker(), hint=hint).deployment.precision == hint.precision
    args = ["--kv-cache-dtype", "fp8", "--quantization", "awq"]
    found = parse(worker(args=args), hint=ModelHint(precision=Precision())).deployment.precision
    assert found == Precision(gemm="int4_wo", moe="int4_wo", kv="fp8")
    with pytest.raises(InputError, match="is stored in fp8_block already"):
        parse(worker(args=args), hint=hint)


def test_annotations_say_what_flags_do_not():
    notes = {
        "simkit.io/precision": "gemm=fp8 moe=nvfp4 kv=fp8 other=bf16",
        "simkit.io/routed-experts": "true",
    }
    args = ["-tp", "4", "--kv-cache-dtype", "fp8"]
    deployment = parse(worker(args=args, gpus="4"), annotations=notes).deployment
    assert deployment.precision == Precision(gemm="fp8", moe="nvfp4", kv="fp8")
    assert deployment.worker.plan == ParallelPlan(tp=4, moe_tp=4)
    # Somebody took the flag away: the annotation no longer says what runs.
    assert parse(worker(args=args[:2], gpus="4"), annotations=notes).deployment.precision.kv == "bf16"


def test_the_catalogue_knows_models_by_name():
    assert catalogue_hint("Qwen/Qwen3-0.6B").moe is False
    assert catalogue_hint("deepseek-ai/DeepSeek-R1").moe is True
    assert catalogue_hint("deepseek-ai/DeepSeek-R1").precision.moe.startswith("fp8")
    assert catalogue_hint("nobody/knows-this") == ModelHint()


def test_unknown_flags_are_noted():
    (note,) = parse(worker(args=["--brand-new-flag", "1"])).notes
    assert note == "worker: flags not modelled: --brand-new-flag"


def test_a_settings_file_cannot_be_seen():
    args = ["--extra-engine-args", "/conf/agg.yaml", "--model-path", "org/model"]
    parsed = parse(worker(args=args, gpus="4", module="dynamo.trtllm"))
    assert parsed.deployment.worker.plan == ParallelPlan(tp=4)
    assert "tensor parallel over its 4 GPUs" in parsed.notes[0]
    assert "cannot be seen" in parsed.notes[1]


def test_a_mocker_stands_for_what_it_simulates():
    args = ["--ais-tp-size", "2", "--ais-backend", "sglang", "--max-num-seqs", "9"]
    part = worker(args=args, gpus=None, module="dynamo.mocker")
    part["podTemplate"]["spec"]["containers"][0]["args"][:2] = ["--model-path", "org/model"]
    parsed = parse(part)
    assert parsed.deployment.worker.plan == ParallelPlan(tp=2)
    assert parsed.deployment.backend == "sglang"
    assert parsed.deployment.worker.engine.max_num_seqs == 9
    assert "uses no GPU" in parsed.notes[0]


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ([], "no worker among the components (Frontend)"),
        ([worker(), worker("other", args=["--max-num-seqs", "3"])],
         "'worker' and 'other' are both aggregated pools"),
        ([worker("p", "prefill")], "a prefill pool without a decode pool"),
        ([worker("d", "decode", args=["--disaggregation-mode", "decode"])],
         "a decode pool without a prefill pool"),
        ([worker("p", "prefill"), worker("d", "decode"), worker()], "mix aggregated and disaggregated"),
        ([worker("p", "prefill"), worker("d", "decode", module="dynamo.sglang")], "one backend"),
        ([worker(args=["-tp", "4"], gpus="2")],
         "flags split the engine over 4 GPUs (tp4), but its pods hold 1 x 2 = 2"),
        ([worker(args=["-tp", "16"], gpus="8", multinode={"nodeCount": 3})], "hold 3 x 8 = 24"),
        ([worker(gpus="two")], "expected a whole number of GPUs, got 'two'"),
        ([worker(replicas=0)], "replicas: expected a whole number from 1"),
        ([worker(multinode={"nodeCount": "2"})], "multinode.nodeCount: expected a whole number"),
        ([worker(module="my.engine") | {"type": "worker"}], None),
        ([worker("p", "prefill", ["--kv-cache-dtype", "fp8"]),
          worker("d", "decode", ["--kv-cache-dtype", "fp32"])], "store the KV cache as fp32 and fp8"),
    ],
)  # fmt: skip
def test_what_cannot_be_modelled_says_why(components, expected):
    if expected is None:  # the image still names the engine
        assert parse(*components).deployment.backend == "vllm"
        return
    with pytest.raises(InputError) as caught:
        parse(*components)
    assert str(caught.value).startswith("f.yaml: ")
    assert expected in str(caught.value)


def test_an_unknown_program_says_which_engines_are_known():
    part = worker(module="my.engine")
    part["podTemplate"]["spec"]["containers"][0]["image"] = "mine:1"
    with pytest.raises(InputError, match=r"starts none of dynamo.vllm, dynamo.sglang, dynamo.trtllm"):
        parse(part)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], "found 0 among 0 documents (none)"),
        ([{"kind": "Pod"}], "found 0 among 1 documents (Pod)"),
        ([dgd(worker()), dgd(worker())], "found 2; say which by its name, as in FILE#demo"),
        ([{**dgd(worker()), "apiVersion": "v9"}], "apiVersion: expected nvidia.com/v1beta1"),
        ([{**dgd(worker()), "spec": {"components": 5}}], "spec.components: expected a list"),
        ([{**dgd(worker()), "spec": None}], "spec.components: expected a list"),
    ],
)
def test_what_is_no_deployment_says_so(documents, expected):
    with pytest.raises(InputError) as caught:
        parse_dgd(documents, source="f.yaml")
    assert expected in str(caught.value)


def test_goldens_are_read_from_their_files():
    files = sorted(GOLDEN.glob("*.yaml"))
    assert files
    for path in files:
        parsed = read_dgd(path)
        assert parsed.model == "org/model"
        assert parsed.deployment.mode in path.stem


# What the real profiler 1.6.1 and Dynamo's own examples mean, worked out by hand from their flags:
# mode, then (plan, replicas) of worker, or of prefill and decode.
REAL = {
    "profiler_1.6.1/qwen32_vllm_default": ("disagg", ("tp1", 4), ("tp4", 1)),
    "profiler_1.6.1/qwen32_sglang_default": ("agg", ("tp4", 2)),
    "profiler_1.6.1/qwen32_trtllm_default": ("agg", ("tp2", 4)),
    "profiler_1.6.1/qwen32_naive_t4_vllm": ("agg", ("tp1", 8)),
    "profiler_1.6.1/qwen32_vllm_rate2_kvrouter": ("agg", ("tp4", 1)),
    "profiler_1.6.1/qwen32_vllm_mocker_planner": ("disagg", ("tp2", 1), ("tp2", 1)),
    "profiler_1.6.1/r1_sglang_32": ("agg", ("tp2dp16ep32", 1)),
    "profiler_1.6.1/r1_sglang_32_planner": ("disagg", ("dep8", 1), ("dep8", 1)),
    "repo/recipe_qwen3-32b_vllm_disagg_kv_router.v1alpha1": ("disagg", ("tp2", 6), ("tp2", 2)),
    "repo/sglang_disagg_multinode.v1beta1": ("disagg", ("tp8", 1), ("tp8", 1)),
    "templates_1.6.1/trtllm/agg": ("agg", ("tp1", 1)),
}


@needs_shared
@pytest.mark.parametrize("name", REAL)
def test_real_deployments_mean_what_their_flags_say(name):
    root = SHARED / "examples" / "dgd"
    path = next(p for p in (root / f"{name}.yaml", root / f"{name}.dgd.yaml") if p.exists())
    deployment = read_dgd(path).deployment
    mode, *pools = REAL[name]
    assert deployment.mode == mode
    found = [deployment.worker] if mode == "agg" else [deployment.prefill, deployment.decode]
    assert [(pool.plan.label, pool.replicas) for pool in found] == pools


@needs_shared
def test_every_real_deployment_can_be_read():
    files = [p for p in (SHARED / "examples" / "dgd").rglob("*.yaml") if not p.name.endswith(".dgdr.yaml")]
    assert len(files) >= 20
    for path in files:
        assert read_dgd(path).deployment.num_gpus >= 1


JUNK = (None, 5, "text", [], {}, [1])


def paths_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


def replaced(document, path, junk):
    result = copy.deepcopy(document)
    block = result
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = junk
    return result


@pytest.mark.parametrize("name", ["vllm-agg", "vllm-disagg-features-v1alpha1"])
def test_no_document_however_broken_is_a_traceback(name):
    document = load_documents(GOLDEN / f"{name}.yaml")[-1]
    for path in list(paths_of(document))[1:]:
        for junk in JUNK:
            try:
                parse_dgd([replaced(document, path, junk)], source="f.yaml")
            except InputError as error:
                assert str(error).startswith("f.yaml: ")


def test_a_hand_edited_golden():
    text = (GOLDEN / "vllm-agg.yaml").read_text()
    text = text.replace("--tensor-parallel-size", "-tp").replace("nvidia.com/gpu: '2'", "nvidia.com/gpu: 2")
    deployment = parse_dgd(parse_documents(text, "f"), source="f").deployment
    assert deployment.worker.plan == ParallelPlan(tp=2)
