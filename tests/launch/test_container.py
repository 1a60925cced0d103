"""Containers of Kubernetes and Compose, and the engines' own argument parsers."""

import pytest

from simkit.catalog.engine_flags import server_parser, worker_parser
from simkit.core.errors import InputError
from simkit.engines.flag_reader import read_flags
from simkit.formats.engine_command.read import parse_command
from simkit.launch.container import container_start
from simkit.launch.mounts import mounted_files

MODEL = "Qwen/Qwen3-8B"
COMPOSE = f"""
services:
  one:
    image: vllm/vllm-openai:v0.24.0
    command: ["--model", "{MODEL}", "--max-num-seqs", "9"]
    environment: [A=1]
  other:
    image: redis
"""
DEPLOYMENT = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: x}}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: engine
        image: lmsysorg/sglang
        env: [{{name: TP, value: "2"}}]
        command: [python3, -m, sglang.launch_server]
        args: [--model-path, {MODEL}, --tp, $(TP)]
"""


def test_variables_of_kubernetes_and_of_config_maps():
    maps = {"m": {"k": "4"}, "all": {"B": "5"}}
    container = {
        "command": ["run", "$(A)", "$(B)", "$(C)", "$$(A)", "$(NONE)"],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "all"}}],
    }
    assert container_start(container, maps=maps).tokens == ("run", "1", "5", "4", "$(A)", "$(NONE)")


def test_files_are_where_they_are_mounted():
    pod = {"volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "p.yaml"}]}}]}
    documents = [{"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "text", "other": "x"}}]
    mount = {"name": "v", "mountPath": "/etc/engine"}
    assert mounted_files(pod, {"volumeMounts": [mount]}, documents) == {"/etc/engine/p.yaml": "text"}
    alone = {**mount, "mountPath": "/x.yaml", "subPath": "p.yaml"}
    assert mounted_files(pod, {"volumeMounts": [alone]}, documents) == {"/x.yaml": "text"}


@pytest.mark.parametrize(
    ("text", "replicas", "tp", "seqs"),
    [(COMPOSE, 1, 1, 9), (DEPLOYMENT, 3, 2, 512)],
    ids=["compose", "deployment"],
)
def test_workloads_are_read_as_the_commands_in_them(text, replicas, tp, seqs):
    pool = parse_command(text).deployment.worker
    assert (pool.replicas, pool.plan.tp, pool.engine.max_num_seqs) == (replicas, tp, seqs)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tensor-parallel", "4"], ("--tensor-parallel-size", ("4",))),
        (["-tp", "4"], ("--tensor-parallel-size", ("4",))),
        (["--max_num_seqs=3"], ("--max-num-seqs", ("3",))),
        (["--no-enable-prefix"], ("--no-enable-prefix-caching", ())),
        (["--speculative-config.method", "mtp"], ("--speculative-config", ('{"method": "mtp"}',))),
    ],
)
def test_flags_are_the_engines_own(words, expected):
    assert read_flags(words, server_parser("vllm")).items == (expected,)


def test_a_word_behind_a_switch_is_no_value_of_it():
    read = read_flags(["--enforce-eager", MODEL, "--max-num-seqs", "3", "x"], server_parser("vllm"))
    assert read.spare == (MODEL, "x")


def test_a_beginning_that_may_mean_two_settings_is_refused():
    with pytest.raises(InputError, match="flag --max-num: may mean"):
        read_flags(["--max-num", "3"], server_parser("vllm"))


def test_a_worker_takes_what_its_environment_says():
    text = f"DYN_VLLM_DISAGGREGATION_MODE=agg python3 -m dynamo.vllm --model {MODEL}"
    assert parse_command(text).deployment.mode == "agg"
    assert worker_parser("vllm").option("--tensor-parallel")[0] == "--tensor-parallel-size"
