"""Runs that end in a deployment: engines, modes, planner, and what the status says of each."""

import json
from pathlib import Path

import pytest

from simkit.formats.validate import validate_documents

from .conftest import PHASES, WITH_CURVES, spec

IMAGES = {"vllm": "vllm-runtime", "sglang": "sglang-runtime", "trtllm": "tensorrtllm-runtime"}
ONE_GPU = {"gpuSku": "h200_sxm", "totalGpus": 1, "numGpusPerNode": 8}
SLA_PLANNER = {"optimization_target": "sla"}
# What to ask for, the components that come of it, and how many ConfigMaps.
CASES = {
    "aggregated": ({"model": "Qwen/Qwen3-0.6B", "hardware": ONE_GPU}, {"frontend", "worker"}, 0),
    "planner": ({"features": {"planner": SLA_PLANNER}}, {"frontend", "prefill", "decode", "planner"}, 2),
    "aggregated planner": ({"features": {"planner": {"mode": "agg"}}}, {"frontend", "worker", "planner"}, 1),
}


def types(run):
    return {item["type"] for item in run.documents[-1]["spec"]["components"]}


def main_container(component):
    return component["podTemplate"]["spec"]["containers"][0]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", IMAGES)
def test_each_engine_in_each_mode(profile, backend, case):
    changes, expected, num_config_maps = CASES[case]
    run = profile(spec(backend=backend, **changes), DGDR_NAME="shop", DGDR_NAMESPACE="models")
    assert run.exit_status == 0, run.err
    assert run.phases == (WITH_CURVES if num_config_maps == 2 else PHASES)
    assert run.status["status"] == "success"
    assert run.status["phase"] == "Done"
    assert {"status", "timestamp", "phase", "message", "outputs"} <= set(run.status)
    assert all((run.folder / name).is_file() for name in run.status["outputs"].values())
    *config_maps, deployment = run.documents
    assert deployment["kind"] == "DynamoGraphDeployment"
    assert [item["kind"] for item in config_maps] == ["ConfigMap"] * num_config_maps
    assert validate_documents(run.documents, "final_config.yaml") == []
    assert deployment["metadata"]["name"] == "shop-dgd"
    assert deployment["metadata"]["namespace"] == "models"
    assert types(run) == expected
    for component in deployment["spec"]["components"]:
        image = "dynamo-planner" if component["type"] == "planner" else IMAGES[backend]
        assert main_container(component)["image"] == f"nvcr.io/nvidia/ai-dynamo/{image}:1.6.1"
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]


def test_disaggregated_without_a_planner(profile):
    run = profile(spec())
    assert types(run) == {"frontend", "prefill", "decode"}
    assert len(run.documents) == 1
    answer = json.loads((run.folder / "recommendation.json").read_text())
    assert answer["selected"]["mode"] == "disagg"


def test_a_planners_curves_are_within_the_configuration_and_beside_it(profile):
    run = profile(spec(features={"planner": SLA_PLANNER}))
    curves = run.documents[1]
    assert curves["metadata"]["name"].startswith("planner-profile-data-")
    for name in ("prefill_raw_data.json", "decode_raw_data.json"):
        assert json.loads(curves["data"][name]) == json.loads((run.folder / name).read_text())
        assert run.status["outputs"][name] == name
    by_type = {item["type"]: item for item in run.documents[-1]["spec"]["components"]}
    mounted = {item["name"] for item in main_container(by_type["planner"])["volumeMounts"]}
    assert curves["metadata"]["name"] in mounted


def test_a_mocker_gets_its_curves_and_no_gpus(profile):
    run = profile(spec(features={"mocker": {"enabled": True}}))
    assert run.phases == WITH_CURVES
    assert "nvidia.com/gpu" not in (run.folder / "final_config.yaml").read_text()
    assert "perf_data.npz" in run.status["outputs"]
    assert "--num-gpu-blocks-override" in (run.folder / "final_config.yaml").read_text()
    # The operator keeps the ConfigMaps in an annotation, which holds 250 kB.
    assert len((run.folder / "final_config.yaml").read_bytes()) < 250_000


def test_an_unreachable_sla_writes_the_nearest_and_says_so(profile):
    run = profile(spec(sla={"ttft": 6, "itl": 0.3}))
    assert run.exit_status == 0  # a Job that fails is run again and its output lost
    assert run.status["status"] == "success"
    assert "SLA not met" in run.status["message"]
    assert "relax" in run.status["message"]
    assert run.documents[-1]["metadata"]["annotations"]["simkit.io/meets-sla"] == "false"


def test_thorough_is_answered_with_predictions_and_says_so(profile):
    run = profile(spec(searchStrategy="thorough"))
    assert run.exit_status == 0
    assert "thorough was answered with predictions, nothing was measured" in run.status["message"]
    assert any("thorough" in note for note in run.status["warnings"])
    annotations = run.documents[-1]["metadata"]["annotations"]
    assert annotations["simkit.io/search-strategy"].startswith("predicted")


def test_a_dry_run_checks_the_request_and_deploys_nothing(profile):
    run = profile(spec(), "--dry-run")
    assert run.exit_status == 0
    assert run.documents == [None]
    assert run.status["status"] == "success"
    assert "Dry run" in run.status["message"]
    assert "8 x h200_sxm" in run.status["message"]


def test_the_arguments_of_dynamo_are_taken(profile):
    words = ("--deployment-timeout", "60", "--prefill-interpolation-granularity", "8")
    run = profile(spec(), *words, "--decode-interpolation-granularity=4")
    assert run.exit_status == 0, run.err


def test_a_private_model_is_read_from_the_mounted_cache(profile, tmp_path):
    catalogue = Path(__file__).resolve().parents[2] / "data" / "models" / "Qwen--Qwen3-32B.json"
    config = json.loads(catalogue.read_text())["config"]
    folder = tmp_path / "cache" / "weights" / "own"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    cache = {"pvcName": "w", "pvcMountPath": str(tmp_path / "cache"), "pvcModelPath": "weights/own"}
    request = spec(model="acme/own-model", modelCache=cache)
    run = profile(request)
    assert run.exit_status == 0, run.err
    args = main_container(run.documents[-1]["spec"]["components"][-1])["args"]
    assert args[args.index("--served-model-name") + 1] == "acme/own-model"
    assert args[args.index("--model") + 1] == str(folder)
    (folder / "config.json").unlink()
    assert profile(request).exit_status == 2


def test_a_second_run_replaces_the_files_of_the_first(profile):
    assert len(profile(spec(features={"planner": {}})).documents) == 2
    assert len(profile(spec()).documents) == 1


def test_the_operators_command_leads_here(profile):
    root = Path(__file__).resolve().parents[2]
    path = f"{root / 'deploy' / 'operator_command'}:{root}"
    run = profile(spec(), module="dynamo.profiler", PYTHONPATH=path)
    assert run.exit_status == 0, run.err
    assert run.phases == PHASES
