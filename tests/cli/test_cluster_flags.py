"""The flags for what a DGDR has no field for, and warnings about the network."""

import json

import pytest
import yaml

ASK = (
    "recommend",
    "--model",
    "Qwen/Qwen3-32B",
    "--gpu",
    "h200_sxm",
    "--total-gpus",
    "16",
    "--backend",
    "vllm",
)


def written(simkit, tmp_path, *words):
    out = tmp_path / "out"
    found = simkit(*ASK, *words, "-o", out)
    assert found.status in (0, 1), found.err
    assert simkit("validate", *out.glob("*.yaml")).status == 0
    return out


def warnings_of(simkit, *words):
    found = simkit(*ASK, "--mode", "disagg", "--format", "json", *words)
    assert found.status in (0, 1), found.err
    return json.loads(found.out)["request"]["warnings"]


def handover(warnings):
    (warning,) = [text for text in warnings if "TCP" in text]
    return warning


def milliseconds(text):
    return [float(word.replace(",", "")) for word in text.replace("(", " ").split() if word[0].isdigit()]


def test_the_model_cache_comes_with_its_job(simkit, tmp_path):
    out = written(simkit, tmp_path, "--with-model-cache-job", "--storage-class", "nfs")
    claim, job, dgd = yaml.safe_load_all((out / "dgd.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"] == "nfs"
    assert claim["spec"]["resources"]["requests"]["storage"] == "80Gi"  # 65.5 GB of weights and a fifth
    assert job["kind"] == "Job"
    assert dgd["kind"] == "DynamoGraphDeployment"


def test_the_profiling_job_carries_the_request_and_its_override(simkit, guide, tmp_path):
    out = tmp_path / "out"
    words = ("--gpu", "h200_sxm", "--with-profiling-job", "-o", out)
    assert simkit("recommend", guide / "deepseek-r1.yaml", *words).status in (0, 1)
    (job,) = yaml.safe_load_all((out / "profiling-job.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    config = json.loads(pod["containers"][0]["args"][1])
    assert config["model"] == "deepseek-ai/DeepSeek-R1"
    assert simkit("validate", out / "profiling-job.yaml").status == 0


def test_scheduling_and_placement(simkit, tmp_path):
    words = (
        "--orchestrator",
        "lws",
        "--node-selector",
        "pool=h200",
        "--pull-secret",
        "a",
        "--pull-secret",
        "b",
    )
    (dgd,) = yaml.safe_load_all((written(simkit, tmp_path, *words) / "dgd.yaml").read_text())
    assert dgd["metadata"]["annotations"]["nvidia.com/enable-grove"] == "false"
    for component in dgd["spec"]["components"]:
        pod = component["podTemplate"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
        assert pod.get("nodeSelector") == (None if component["type"] == "frontend" else {"pool": "h200"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--orchestrator", "grov"), "did you mean grove?"),
        (("--node-selector", "pool"), "expected KEY=VALUE"),
        (("--orchestrator", "lws", "--kai-queue", "q"), "a KAI queue goes with Grove"),
        (("--vllm-executor", "raay"), "did you mean ray?"),
        (("--mode", "disagg", "--set", "hardware.rdma=true", "--rdma-resource", "ib", "-o", "x"),
         "not the name of an extended resource"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(simkit, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    found = simkit(*ASK, *words)
    assert found.status == 2
    assert expected in found.err
    assert found.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_without_rdma_the_cost_is_told_with_both_ttfts(simkit):
    words = ("--isl", "8000", "--concurrency", "16")
    warning = handover(warnings_of(simkit, *words, "--set", "hardware.rdma=false"))
    slow, fast = milliseconds(warning)[:2]
    assert "over TCP" in warning
    assert slow > 2 * fast > 0


def test_unsaid_rdma_is_an_assumption_that_is_told(simkit):
    warning = handover(warnings_of(simkit))
    fast, slow = milliseconds(warning)[:2]
    assert "RDMA between nodes is assumed" in warning
    assert slow > 10_000 > fast, "the guide: from hundreds of milliseconds to over ten seconds"


def test_a_rate_that_tcp_cannot_carry_is_told_in_words(simkit):
    warning = handover(warnings_of(simkit, "--isl", "4000", "--osl", "500", "--request-rate", "4"))
    assert "a TTFT that grows without end is predicted" in warning
    assert "inf" not in warning.replace("infiniband", "")


@pytest.mark.parametrize("setting", ["hardware.rdma=true", "hardware.interconnect=infiniband"])
def test_with_rdma_nothing_is_warned_of(simkit, setting):
    assert not [text for text in warnings_of(simkit, "--set", setting) if "TCP" in text]


def test_aggregated_deployments_hand_nothing_over(simkit):
    found = simkit(*ASK, "--mode", "agg", "--format", "json")
    assert not [text for text in json.loads(found.out)["request"]["warnings"] if "TCP" in text]


def test_a_misspelt_fabric_and_another_release_are_told(simkit):
    found = warnings_of(
        simkit, "--set", "hardware.interconnect=infinband", "--set", "image=r/dynamo-planner:1.4.2"
    )
    assert [text for text in found if "did you mean infiniband?" in text]
    assert [text for text in found if "Dynamo 1.4 runs vllm 0.26.0" in text]


WIDE = ("recommend", "--model", "deepseek-ai/DeepSeek-R1", "--gpu", "h100_sxm", "--total-gpus", "32",
        "--mode", "agg", "--format", "json")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "needs Grove 0.1.0-alpha.14 or later, with KAI scheduler recommended, or LeaderWorkerSet"),
        (("--set", "runtimeVersionOverride=1.4.2"), "needs Grove 0.1.0-alpha.11 or later"),
        (("--orchestrator", "lws"), "needs LeaderWorkerSet, and Volcano"),
    ],
)
def test_what_engines_over_nodes_need_is_told(simkit, words, expected):
    found = simkit(*WIDE, "--backend", "sglang", *words)
    (note,) = [text for text in json.loads(found.out)["request"]["warnings"] if "span nodes of 8" in text]
    assert expected in note


def test_engines_within_a_node_need_nothing_more(simkit):
    assert not [text for text in warnings_of(simkit) if "span nodes" in text]


def test_workers_over_efa_run_the_images_that_hold_its_libraries(simkit, tmp_path):
    words = ("--mode", "disagg", "--set", "hardware.interconnect=efa", "--set", "features.planner={}")
    out = written(simkit, tmp_path, *words)
    images = {
        item["name"]: item["podTemplate"]["spec"]["containers"][0]["image"].rpartition("/")[2]
        for item in list(yaml.safe_load_all((out / "dgd.yaml").read_text()))[-1]["spec"]["components"]
    }
    assert images["prefill"] == images["decode"] == "vllm-runtime:1.6.1-efa"
    assert images["Frontend"] == "vllm-runtime:1.6.1"
    assert images["Planner"] == "dynamo-planner:1.6.1"
    assert [text for text in warnings_of(simkit, *words) if "images ending in -efa" in text]


def test_settings_that_the_images_planner_is_too_old_for_are_told(simkit):
    setting = ("--set", "features.planner.max_throughput_scaling_replicas=4")
    old = warnings_of(simkit, *setting, "--set", "image=r/dynamo-planner:1.5.1")
    note = "Dynamo 1.5's Planner ignores max_throughput_scaling_replicas"
    assert [text for text in old if note in text]
    assert not [text for text in warnings_of(simkit, *setting) if "Planner ignores" in text]


def test_a_mockers_cache_is_that_of_the_engine(simkit, tmp_path):
    out = written(simkit, tmp_path, "--mode", "agg", "--set", "features.mocker.enabled=true")
    answer = json.loads((out / "recommendation.json").read_text())["selected"]
    dgd = list(yaml.safe_load_all((out / "dgd.yaml").read_text()))[-1]
    args = dgd["spec"]["components"][1]["podTemplate"]["spec"]["containers"][0]["args"]
    blocks = int(args[args.index("--num-gpu-blocks-override") + 1])
    assert blocks * 16 == pytest.approx(answer["kv_capacity_tokens"] / answer["replicas"], rel=0.01)


def override(**component):
    document = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "spec": {"components": [{"name": "decode", **component}]},
    }
    return ("--mode", "disagg", "--set", f"overrides.dgd={json.dumps(document)}")


def engine(**fields):
    return {"podTemplate": {"spec": {"containers": [{"name": "main", **fields}]}}}


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        ({"replicas": 50}, "GPUs, but the request beside allows 16; lower replicas"),
        (engine(imag="x"), "containers[main].imag: unknown key; did you mean image?"),
        (engine(args=["--model", "m"]), "add --disaggregation-mode decode"),
    ],
)
def test_an_override_that_breaks_the_deployment_is_refused(simkit, tmp_path, component, expected):
    found = simkit(*ASK, *override(**component), "-o", tmp_path / "out")
    assert found.status == 2
    assert "with spec.overrides.dgd merged in" in found.err
    assert expected in found.err
    assert not (tmp_path / "out").exists()


def test_what_an_override_changes_after_the_prediction_is_told(simkit):
    component = {"replicas": 1, **engine(env=[{"name": "A", "value": "1"}])}
    (note,) = [text for text in warnings_of(simkit, *override(**component)) if "the prediction is" in text]
    assert note.startswith("spec.overrides.dgd changes replicas of 'decode':")
    quiet = warnings_of(simkit, *override(**engine(env=[{"name": "A", "value": "1"}])))
    assert not [text for text in quiet if "the prediction is" in text]
