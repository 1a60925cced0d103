"""GPUs of nodes as Dynamo's rule counts them; no server is needed."""

from types import SimpleNamespace

import pytest
from cluster_objects import node, pod

from simkit.cluster.discover import group_notes, known_gpu
from simkit.cluster.inventory import chosen, grouped, hardware_block
from simkit.cluster.nodes import gpu_node, pod_gpus
from simkit.cluster.this_machine import machine_nodes
from simkit.core.errors import InputError
from simkit.formats.dgdr.skus import GPU_SKUS

H200, A100 = "NVIDIA-H200", "NVIDIA-A100-SXM4-80GB"


def groups(*nodes, used=None):
    found = [gpu_node(one) for one in nodes]
    return grouped([one for one in found if one], used or {}, known_gpu)


def test_most_nodes_win_then_most_memory():
    many = [node(f"a{index}", product=A100, memory=81920) for index in range(3)]
    few = [node(f"h{index}", product=H200, memory=143771) for index in range(2)]
    assert chosen(groups(*many, *few), None).sku == "a100_sxm"
    assert chosen(groups(*many[:2], *few), None).sku == "h200_sxm"


def test_a_sku_restricts_and_one_that_is_absent_names_what_is_there():
    found = groups(node("a", product=A100), node("b", product=A100), node("h", product=H200))
    assert chosen(found, "h200_sxm").nodes == 1
    with pytest.raises(InputError, match=r"--gpu b200_sxm.*a100_sxm \(2 nodes\), h200_sxm \(1 nodes\)"):
        chosen(found, "b200_sxm")


def test_the_block_stops_at_32_gpus_unless_told_how_many():
    (group,) = groups(*[node(f"n{index}", product=H200, memory=143771) for index in range(8)])
    block = hardware_block(group, None)
    assert block == {"gpuSku": "h200_sxm", "vramMb": 143771.0, "totalGpus": 32, "numGpusPerNode": 8,
                     "interconnect": "nvlink", "rdma": False}  # fmt: skip
    assert hardware_block(group, 64)["totalGpus"] == 64


def test_free_gpus_are_those_of_usable_nodes_without_what_pods_hold():
    (group,) = groups(
        node("a"), node("b"), node("down", ready=False), node("held", cordoned=True), used={"a": 3, "b": 8}
    )
    assert (group.gpus, group.free, group.unusable) == (32, 5, 2)
    assert dict(group.free_per_node) == {5: 1}


def test_pods_that_ended_hold_nothing_and_init_containers_count_once():
    first = {"name": "fetch", "resources": {"limits": {"nvidia.com/gpu": "4"}}}
    assert pod_gpus({**pod("p", gpus=2), "status": {"phase": "Running"}}) == 2
    assert pod_gpus(pod("p", gpus=2, initContainers=[first])) == 4
    assert pod_gpus({**pod("p", gpus=2), "status": {"phase": "Succeeded"}}) == 0


def test_mig_of_both_strategies_is_named_and_not_taken_for_whole_gpus():
    mixed = node("m", product=A100, allocatable={"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "7"})
    single = node("s", product=f"{A100}-MIG-1g.10gb", gpus=1, labels={"nvidia.com/gpu.count": "8"},
                  allocatable={"nvidia.com/gpu": "56"})  # fmt: skip
    (group,) = groups(mixed, single)
    assert dict(group.mig) == {"1g.10gb": 63}
    assert any("MIG slices (63 x 1g.10gb)" in note for note in group_notes(group))


def test_time_sliced_gpus_are_counted_once():
    shared = node("t", product=f"{H200}-SHARED", labels={"nvidia.com/gpu.replicas": "4"},
                  allocatable={"nvidia.com/gpu": "32"})  # fmt: skip
    (group,) = groups(shared)
    assert (group.sku, group.gpus, group.shared_nodes) == ("h200_sxm", 8, 1)


def test_rdma_counts_only_where_every_node_hands_it_out():
    one, other = node("a", allocatable={"rdma/ib": "8"}), node("b")
    assert not groups(one, other)[0].has_rdma
    (group,) = groups(one)
    assert hardware_block(group, None)["rdma"] is True


def test_efa_names_the_fabric():
    (group,) = groups(node("a", allocatable={"vpc.amazonaws.com/efa": "32"}))
    assert hardware_block(group, None)["interconnect"] == "efa"


@pytest.mark.parametrize("product", ["NVIDIA-GB300", "NVIDIA-A10", "NVIDIA-H200-NVL"])
def test_a_sku_that_dynamo_refuses_is_named_with_what_to_write(product):
    (group,) = groups(node("a", product=product))
    assert group.sku is not None
    assert group.sku not in GPU_SKUS
    assert any(
        f"takes no gpuSku {group.sku}" in note and "leave gpuSku out" in note for note in group_notes(group)
    )


def test_a_gpu_that_nobody_knows_is_named_as_its_node_calls_it():
    (group,) = groups(node("a", product="NVIDIA-X900", memory=200000))
    assert hardware_block(group, None)["gpuSku"] == "NVIDIA-X900"
    assert any("not in the catalogue" in note for note in group_notes(group))


def test_clouds_name_gpus_by_labels_of_their_own():
    plain = node("g", labels={"nvidia.com/gpu.product": None, "nvidia.com/gpu.memory": None,
                              "cloud.google.com/gke-accelerator": "nvidia-h100-80gb"})  # fmt: skip
    (group,) = groups(plain)
    assert (group.sku, group.vram_mib) == ("h100_sxm", 81559.0)


def test_nodes_without_gpus_do_not_count():
    assert gpu_node({"metadata": {"name": "cpu"}, "status": {"allocatable": {"cpu": "64"}}}) is None


class Nvml:
    """NVML with two kinds of GPUs."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818 (its name)
        pass

    names = ("NVIDIA H100 80GB HBM3", b"NVIDIA H100 80GB HBM3", "NVIDIA L4")

    def nvmlInit(self): ...  # noqa: N802
    def nvmlShutdown(self): ...  # noqa: N802

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self.names[handle]

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=81559 * 2**20)

    def nvmlDeviceGetMigMode(self, handle):  # noqa: N802
        if handle == 2:
            raise self.NVMLError_NotSupported
        return (handle == 0, False)


def test_this_machine_is_asked_through_its_driver():
    first, second = machine_nodes(Nvml())
    assert (first.product, first.gpus, first.memory_mib, dict(first.mig)) == (
        "NVIDIA H100 80GB HBM3", 2, 81559.0, {"enabled": 1},
    )  # fmt: skip
    assert (second.product, second.gpus) == ("NVIDIA L4", 1)
