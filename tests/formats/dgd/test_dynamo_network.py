"""Fabrics between nodes: what is asked for, and where nothing is."""

import json

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError
from simkit.core.request import Hardware
from simkit.engines.registry import engine_names
from simkit.formats.dgd.network import fabric_hint, fabric_of

from .cluster_cases import agg, components, disagg, env, main, request


@pytest.mark.parametrize(
    ("rdma", "interconnect", "expected"),
    [
        (None, None, None),
        (False, "infiniband", None),
        (None, "nvlink", None),
        (True, None, "infiniband"),
        (True, "nvlink", "infiniband"),
        (None, "InfiniBand", "infiniband"),
        (None, "ib", "infiniband"),
        (True, "RoCEv2", "roce"),
        (None, "efa", "efa"),
    ],
)
def test_the_fabric_is_what_the_hardware_block_says(rdma, interconnect, expected):
    fabric = fabric_of(Hardware(rdma=rdma, interconnect=interconnect))
    assert (fabric and fabric.name) == expected


def test_a_misspelt_fabric_is_pointed_out():
    assert "did you mean infiniband?" in fabric_hint(Hardware(interconnect="infinband"))
    assert fabric_hint(Hardware(interconnect="nvlink")) is None
    assert fabric_hint(Hardware(interconnect="efa")) is None


@pytest.mark.parametrize("backend", engine_names())
@pytest.mark.parametrize("fabric", ["infiniband", "roce"])
def test_workers_that_hand_over_cache_get_a_device_for_each_gpu(backend, fabric):
    found = components(disagg(backend), request(Hardware(interconnect=fabric)))
    for name in ("prefill", "decode"):
        container = main(found[name])
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "2", "rdma/ib": "2"}
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["securityContext"] == {"capabilities": {"add": ["IPC_LOCK"]}}
        assert env(found[name])["UCX_RNDV_SCHEME"] == "get_zcopy"
    assert "resources" not in main(found["Frontend"])


def test_a_single_node_without_hand_over_needs_no_rdma():
    hardware = Hardware(rdma=True)
    assert "rdma/ib" not in main(components(agg("vllm"), request(hardware))["worker"])["resources"]["limits"]
    wide = components(agg("vllm", ParallelPlan(tp=8, pp=2)), request(hardware))["worker"]
    assert main(wide)["resources"]["limits"]["rdma/ib"] == "8"


def test_without_word_of_rdma_no_device_is_asked_for():
    worker = main(components(disagg("vllm"), request())["decode"])
    assert worker["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert "securityContext" not in worker


def test_the_device_plugins_resource_can_be_named():
    hardware = Hardware(rdma=True)
    worker = components(disagg("vllm"), request(hardware, rdma_resource="rdma/shared_a"))["decode"]
    assert main(worker)["resources"]["limits"]["rdma/shared_a"] == "2"
    with pytest.raises(InputError, match="'ib' is not the name of an extended resource"):
        components(disagg("vllm"), request(hardware, rdma_resource="ib"))


def test_efa_is_privileged_libfabric_and_keeps_the_pools_apart():
    req = request(Hardware(interconnect="efa"))
    vllm = components(disagg("vllm"), req)["decode"]
    args = main(vllm)["args"]
    config = json.loads(args[args.index("--kv-transfer-config") + 1])
    assert config["kv_connector_extra_config"] == {"backends": ["LIBFABRIC"]}
    assert main(vllm)["securityContext"]["privileged"] is True
    assert main(vllm)["resources"]["limits"]["vpc.amazonaws.com/efa"] == "4"
    (term,) = vllm["podTemplate"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchExpressions"][0]["values"] == ["prefill"]
    sglang = env(components(disagg("sglang"), req)["prefill"])
    assert sglang["SGLANG_DISAGGREGATION_NIXL_BACKEND"] == "LIBFABRIC"
    assert env(components(disagg("trtllm"), req)["prefill"])["TRTLLM_NIXL_KVCACHE_BACKEND"] == "LIBFABRIC"


def test_on_a_single_node_pools_cannot_be_kept_apart():
    found = components(disagg("vllm"), request(Hardware(interconnect="efa")), total_gpus=8)
    assert "affinity" not in found["decode"]["podTemplate"]["spec"]
