"""Documents and statuses that tests of deploying share."""

from pathlib import Path

from cluster_objects import GROUP

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd" / "vllm-disagg.yaml"
REQUEST = {
    "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "qwen-small"}, "spec": {"model": "Qwen/Qwen3-0.6B"},
}  # fmt: skip
OOM = {"phase": "Running", "containerStatuses": [{
    "name": "main", "restartCount": 3, "image": "x", "imageID": "", "ready": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}  # fmt: skip
NOBODY = "https://127.0.0.1:9/"
UNSCHEDULABLE = {"phase": "Pending", "conditions": [{
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
    "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}]}  # fmt: skip


def dgd_path(cluster, name="demo-dgd"):
    return cluster.path("dynamographdeployments", name, GROUP)


def dgdr_path(cluster, name="qwen-small"):
    return cluster.path("dynamographdeploymentrequests", name, GROUP)
