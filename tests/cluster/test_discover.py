"""`simkit discover` against a real API server."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from cluster_objects import node, pod

H200 = {"product": "NVIDIA-H200", "memory": 143771}
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}


@pytest.fixture
def gpu_cluster(cluster, nodes):
    """Three nodes of H200 with a taint and RDMA, one of A100; five GPUs are taken."""
    for index in range(3):
        nodes(node(f"{cluster.namespace}-h{index}", **H200, taints=[TAINT],
                                allocatable={"rdma/ib": "8"}))  # fmt: skip
    nodes(node(f"{cluster.namespace}-a0", product="NVIDIA-A100-SXM4-80GB", memory=81920))
    cluster.put(cluster.path("pods"), pod("busy", gpus=5, node_name=f"{cluster.namespace}-h0"))
    return cluster


def test_a_cluster_becomes_a_block_that_recommend_takes(gpu_cluster, at, simkit, tmp_path):
    file = tmp_path / "hardware.yaml"
    found = at("discover", "-o", file)
    assert found.status == 0, found.err
    block = {"gpuSku": "h200_sxm", "vramMb": 143771.0, "totalGpus": 24, "numGpusPerNode": 8,
             "interconnect": "nvlink", "rdma": True}  # fmt: skip
    assert yaml.safe_load(found.out) == yaml.safe_load(file.read_text()) == {"hardware": block}
    assert "24 GPUs of this kind (cluster), 19 free now" in found.err
    assert "also here: a100_sxm (1 nodes)" in found.err
    answer = simkit("recommend", "--model", "Qwen/Qwen3-8B", "--backend", "vllm", "--hardware", file,
                    "--format", "json")  # fmt: skip
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["request"]["hardware"]["gpu"] == "h200_sxm"


def test_programs_get_free_gpus_tolerations_and_rdma(gpu_cluster, at):
    found = json.loads(at("discover", "--gpu", "h200_sxm", "--total-gpus", 16, "--format", "json").out)
    assert found["hardware"]["totalGpus"] == 16
    assert found["gpus"] == {"total": 24, "allocatable": 24, "free": 19, "free_per_node": {"8": 2, "3": 1}}
    assert found["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert found["rdma_resources"] == ["rdma/ib"]
    assert found["dcgm"] is False


def test_kubectl_counts_the_same_gpus(gpu_cluster, at):
    found = json.loads(at("discover", "--format", "json").out)
    nodes = gpu_cluster.kubectl_json("get", "nodes", "-l", "nvidia.com/gpu.product=NVIDIA-H200")["items"]
    counted = sum(int(one["status"]["allocatable"]["nvidia.com/gpu"]) for one in nodes)
    assert counted == found["gpus"]["total"] == 24


def test_without_the_right_to_read_nodes_the_right_is_named(cluster, at):
    found = at("discover", user="stranger")
    assert found.status == 3
    assert "cannot list resource" in found.err
    assert "deploy/cluster/rbac.yaml" in found.err


def test_a_cluster_without_gpus_says_what_to_install(nodes, at):
    found = at("discover")
    assert found.status == 2
    assert "GPU operator" in found.err


def test_an_expired_token_and_a_wrong_context_say_so(cluster, simkit, tmp_path):
    stale = cluster.server.kubeconfig("stale", token="a" * 32)
    found = simkit("discover", "--kubeconfig", stale)
    assert found.status == 3
    assert "expired" in found.err
    assert "a" * 32 not in found.err + found.out
    missing = simkit("discover", "--kubeconfig", stale, "--context", "nowhere")
    assert missing.status == 2
    assert "nowhere" in missing.err


def test_a_server_that_does_not_answer_is_an_outside_failure(cluster, simkit):
    config = yaml.safe_load(cluster.server.kubeconfig("admin").read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    file = cluster.server.folder / "gone.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    begun = time.monotonic()
    found = simkit("discover", "--kubeconfig", file)
    assert found.status == 3
    assert "no answer" in found.err
    assert time.monotonic() - begun < 20


def test_many_nodes_take_little_time_and_memory(nodes, at):
    """500 nodes here; two thousand are measured in docs/cluster.md by the same means."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda index: node(f"many-{index}", **H200), range(500)))
        list(pool.map(nodes, made))
    begun = time.process_time()
    found = json.loads(at("discover", "--total-gpus", 4000, "--format", "json").out)
    assert found["gpus"]["total"] == 4000
    assert time.process_time() - begun < 2.0
