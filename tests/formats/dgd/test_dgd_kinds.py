"""Kinds of deployments that people write: sidecars, several in one file, elastic engines, encoders."""

import pytest
import yaml

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Disaggregated
from simkit.core.errors import InputError
from simkit.formats.dgd.read import ModelHint, parse_dgd, read_dgd


def container(*words, name="main", gpus=1, **fields):
    limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}} if gpus else {}
    return {"name": name, "command": list(words), **limits, **fields}


def component(name, kind, *containers, **pod):
    spec = {"containers": list(containers), **pod}
    return {"name": name, "type": kind, "podTemplate": {"spec": spec}}


def engine(name, kind, *args, gpus=1):
    words = ("python3", "-m", "dynamo.vllm", "--model", "org/model", *args)
    return component(name, kind, container(*words, gpus=gpus))


def graph(name, *components):
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name},
        "spec": {"components": list(components)},
    }


def parse(*documents, moe=None):
    return parse_dgd(documents, source="f.yaml", hint_of=lambda _: ModelHint(moe=moe))


def test_a_plain_worker_beside_a_marked_prefill_worker_decodes():
    prefill = engine("p", "worker", "--disaggregation-mode", "prefill")
    found = parse(graph("g", prefill, engine("d", "worker", "-tp", "2", gpus=2))).deployment
    assert isinstance(found, Disaggregated)
    assert found.decode.plan == ParallelPlan(tp=2)
    with pytest.raises(InputError, match="mix aggregated"):
        parse(graph("g", prefill, engine("d", "worker", "--disaggregation-mode", "agg")))


def sidecar(side, *words, image="", **fields):
    main = container(f"dynamo-{side}-sidecar", "--disaggregation-mode", "prefill", gpus=0)
    beside = container(*words, name="engine", restartPolicy="Always", image=image, gpus=2)
    return component("w", "worker", main, initContainers=[{**beside, **fields}])


SCRIPT = (
    'PROGRAM="$(locate it)"\nulimit -l unlimited && exec "$PROGRAM" serve org/model -tp 2 --max-num-seqs 7'
)


@pytest.mark.parametrize(
    ("part", "backend"),
    [
        (sidecar("sglang", "python3", "-m", "sglang.launch_server", "--model-path", "org/model", "--tp", "2",
                 "--max-running-requests", "7"), "sglang"),
        (sidecar("vllm", "/bin/sh", "-c", SCRIPT, image="vllm/vllm-openai:v0.30.0"), "vllm"),
    ],
)  # fmt: skip
def test_an_engine_beside_a_sidecar_is_the_one_that_counts(part, backend):
    decode = component("d", "worker", container("python3", "-m", f"dynamo.{backend}", "--model-path",
                                                "org/model", "--model", "org/model", gpus=1))  # fmt: skip
    prefill = parse(graph("g", part, decode)).deployment.prefill
    assert prefill.plan == ParallelPlan(tp=2)
    assert (prefill.engine.backend, prefill.engine.max_num_seqs) == (backend, 7)


def test_what_prepares_the_pod_is_no_engine():
    part = sidecar("vllm", "vllm", "serve", "org/model", restartPolicy=None)
    with pytest.raises(InputError, match="starts none of"):
        parse(graph("g", part))


@pytest.mark.parametrize(("backend", "flag"), [("vllm", "--enable-elastic-ep"),
                                               ("sglang", "--elastic-ep-backend=mooncake")])  # fmt: skip
def test_an_elastic_engine_is_predicted_as_it_starts(backend, flag):
    sizes = ["--data-parallel-size", "2", "--enable-expert-parallel"]
    if backend == "sglang":
        sizes = ["--tp", "2", "--dp", "2", "--ep", "2", "--enable-dp-attention"]
    words = ("python3", "-m", f"dynamo.{backend}", "--model", "org/model", *sizes, flag)
    read = parse(graph("g", component("w", "worker", container(*words, gpus=4))), moe=True)
    assert read.deployment.worker.plan == ParallelPlan(attn_dp=2, ep=2)
    assert any("on 2 of the 4 GPUs" in note for note in read.notes)
    with pytest.raises(InputError, match="make the sizes"):
        parse(graph("g", component("w", "worker", container(*words[:-1], gpus=4))), moe=True)


def test_an_encoder_is_named_and_passed_over():
    read = parse(graph("g", engine("e", "worker", "--disaggregation-mode", "encode"),
                       engine("w", "worker", "--disaggregation-mode", "pd")))  # fmt: skip
    assert read.deployment.num_gpus == 1
    assert any("component 'e' encodes images" in note for note in read.notes)


ROUTER = component("r", None, container("python3", "-m", "dynamo.global_router", gpus=0))


def test_deployments_behind_one_global_router_are_one():
    pools = [graph(f"pool-{i}", engine("p", "prefill", "--disaggregation-mode", "prefill")) for i in (0, 1)]
    decode = graph("pool-2", engine("d", "decode", "-tp", "4", gpus=4))
    read = parse(graph("control", ROUTER), *pools, decode)
    assert (read.deployment.prefill.replicas, read.deployment.decode.plan) == (2, ParallelPlan(tp=4))
    assert any("behind one global router: pool-0, pool-1, pool-2" in note for note in read.notes)


def test_one_of_several_deployments_is_chosen_by_name(tmp_path):
    path = tmp_path / "two.yaml"
    graphs = [graph("small", engine("w", "worker")), graph("big", engine("w", "worker", "-tp", "8", gpus=8))]
    path.write_text(yaml.safe_dump_all(graphs))
    with pytest.raises(InputError, match=r"found 2; say which by its name, as in FILE#small"):
        read_dgd(path)
    assert read_dgd(f"{path}#big").deployment.num_gpus == 8
    with pytest.raises(InputError, match=r"named 'huge', found 0; there are small, big"):
        read_dgd(f"{path}#huge")


def test_the_only_deployment_with_engines_is_the_one_meant():
    read = parse(graph("control", ROUTER), graph("model", engine("w", "worker")))
    assert read.name == "model"


def test_a_mocker_is_marked_as_releases_before_did():
    words = ("python3", "-m", "dynamo.mocker", "--model-path", "org/model")
    prefill = component("p", "worker", container(*words, "--is-prefill-worker", gpus=0))
    decode = component("d", "worker", container(*words, gpus=0))
    assert isinstance(parse(graph("g", prefill, decode)).deployment, Disaggregated)
