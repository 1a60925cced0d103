"""The files that Planner and mocker read: names, arrays, units; read back the way Dynamo reads them."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from perfmodels.parallel import ParallelPlan
from simkit.catalog.problems import build_problem
from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.planner_profile import DecodeProfile, EngineProfile, PrefillProfile, StepTables
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.request import DeployOptions, Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.formats.planner.files import profile_files
from simkit.verbs.answer_files.folder import FolderOptions, folder_texts, write_folder
from simkit.verbs.answer_files.planner_data import deploys_profile, planner_profile, wants_profile
from simkit.verbs.recommend import answer

FILES = {
    "prefill_raw_data.json",
    "decode_raw_data.json",
    "selected_prefill_interpolation/raw_data.npz",
    "selected_decode_interpolation/raw_data.npz",
    "perf_data.npz",
}


def request_of(**deploy):
    return Request(
        model="Qwen/Qwen3-32B",
        backend="vllm",
        hardware=Hardware(gpu="h200_sxm", total_gpus=8),
        workload=Workload(isl_tokens=4000, osl_tokens=1000),
        slo=Slo(ttft_s=2.0, itl_s=0.03),
        deploy=DeployOptions(name="demo", **deploy),
    )


@pytest.fixture(scope="module")
def problem():
    return build_problem(request_of(planner={"optimization_target": "sla"}))


def candidate_of(problem, mode="disagg"):
    def pool(tp):
        return Pool(plan=ParallelPlan(tp=tp), engine=default_engine("vllm"))

    chosen = Aggregated(worker=pool(2)) if mode == "agg" else Disaggregated(prefill=pool(2), decode=pool(4))
    return deployment_candidate(problem, chosen)


@pytest.fixture(scope="module")
def files(problem):
    return planner_profile(problem, candidate_of(problem))


def arrays(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as data:
        return {name: data[name] for name in data}


def test_planted_arrays_are_written_under_dynamos_names_in_milliseconds():
    prefill = PrefillProfile(
        isl_tokens=np.array([100.0, 2000.0]),
        ttft_s=np.array([0.0123456789, 0.25]),
        tokens_per_s_per_gpu=np.array([4050.0, 4000.0]),
    )
    decode = DecodeProfile(
        kv_usage_frac=np.array([0.5]),
        context_tokens=np.array([350.0]),
        itl_s=np.array([0.0125]),
        output_tokens_per_s_per_gpu=np.array([1000.0]),
        max_kv_tokens=700,
    )
    tables = StepTables(
        prefill_tokens=np.array([1.0, 2.0]),
        prefill_s=np.array([0.01, 0.02]),
        active_kv_tokens=np.array([0.0, 5.0]),
        context_tokens=np.array([1.0, 9.0, 10.0]),
        decode_s=np.full((2, 3), 0.007),
    )
    files = profile_files(prefill, decode, tables)
    assert set(files) == FILES
    assert files["prefill_raw_data.json"].decode() == (
        '{"prefill_isl": [100, 2000], "prefill_ttft": [12.3457, 250.0], '
        '"prefill_thpt_per_gpu": [4050.0, 4000.0]}\n'
    )
    assert files["decode_raw_data.json"].decode() == (
        '{"x_kv_usage": [0.5], "y_context_length": [350.0], "z_itl": [12.5], '
        '"z_thpt_per_gpu": [1000.0], "max_kv_tokens": 700}\n'
    )
    mocker = arrays(files["perf_data.npz"])
    assert {name: value.shape for name, value in mocker.items()} == {
        "prefill_isl": (2,),
        "prefill_ttft_ms": (2,),
        "decode_active_kv_tokens": (2,),
        "decode_context_length": (3,),
        "decode_itl": (2, 3),
    }
    assert {value.dtype for value in mocker.values()} == {np.dtype("float64")}
    assert (mocker["decode_itl"] == 7.0).all()
    assert set(profile_files(prefill, decode)) == FILES - {"perf_data.npz"}


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_json_and_npz_say_the_same(files, role):
    text = json.loads(files[f"{role}_raw_data.json"])
    found = arrays(files[f"selected_{role}_interpolation/raw_data.npz"])
    assert set(text) == set(found)
    for name, value in found.items():
        assert value.ravel().tolist() == np.ravel(text[name]).tolist()
    assert all(np.isfinite(value).all() and (value > 0).all() for value in found.values())


def test_the_same_question_gives_the_same_bytes(problem, files):
    assert planner_profile(problem, candidate_of(problem)) == files


def test_the_planners_reading_gives_back_whole_requests_and_our_step_times(problem, files):
    """The Planner turns usage back into keys and requests; those must be the ones that were priced."""
    data = json.loads(files["decode_raw_data.json"])
    model = problem.engines[0]
    engine = EngineProfile(model=replace(model, engine=default_engine("vllm")), plan=ParallelPlan(tp=4))
    for usage, context, itl_ms in zip(
        data["x_kv_usage"], data["y_context_length"], data["z_itl"], strict=True
    ):
        keys = round(usage * data["max_kv_tokens"])
        requests = max(1, round(keys / context))
        assert keys == pytest.approx(requests * context, rel=1e-4)
        ours = engine.decode_s(np.array([float(requests)]), np.array([context]))[0]
        assert itl_ms == pytest.approx(ours * 1e3, rel=1e-5)


def test_a_regression_like_the_planners_finds_the_load_that_holds_the_itl(problem, files):
    """Wall time linear in requests and keys; the largest batch within 30 ms is the model's +- 10 %."""
    data = {name: np.array(value) for name, value in json.loads(files["decode_raw_data.json"]).items()}
    keys = data["x_kv_usage"] * data["max_kv_tokens"]
    features = np.stack([np.ones_like(keys), keys / data["y_context_length"], keys], axis=1)
    weights, *_ = np.linalg.lstsq(features, data["z_itl"], rcond=None)
    context, batches = 4500.0, np.arange(1, 396)
    read = weights @ np.stack([np.ones(len(batches)), batches, batches * context])
    engine = EngineProfile(model=problem.engines[0], plan=ParallelPlan(tp=4))
    true = engine.decode_s(batches.astype(float), np.full(len(batches), context)) * 1e3
    found, best = (int(np.searchsorted(times, 30.0)) for times in (read, true))
    assert 50 < best < 395
    assert found == pytest.approx(best, rel=0.1)


def test_an_aggregated_engine_is_described_in_both_roles(problem):
    files = planner_profile(problem, candidate_of(problem, "agg"))
    assert set(files) == FILES
    prefill, decode = (json.loads(files[f"{role}_raw_data.json"]) for role in ("prefill", "decode"))
    assert len(prefill["prefill_isl"]) == 17
    assert len(decode["z_itl"]) == 36


def test_the_ranges_reach_twice_the_workload_within_the_models_context(files):
    data = json.loads(files["prefill_raw_data.json"])
    assert data["prefill_isl"][-1] == 2 * 5000 - 512
    assert max(arrays(files["perf_data.npz"])["decode_context_length"]) == pytest.approx(10_000)


@pytest.mark.parametrize(
    ("deploy", "written", "deployed"),
    [
        ({}, False, False),
        ({"planner": {}}, True, False),
        ({"planner": {"optimization_target": "sla"}}, True, True),
        ({"planner": {"optimization_target": "sla", "profile_results_dir": "/pvc"}}, True, False),
        ({"planner": {"optimization_target": "sla", "pre_deployment_sweeping_mode": "none"}}, True, False),
        ({"mocker": True}, True, True),
        ({"mocker": True, "planner": {}}, True, True),
    ],
)
def test_data_go_where_they_are_read(deploy, written, deployed):
    request = request_of(**deploy)
    assert wants_profile(request) is written
    assert deploys_profile(request) is deployed


def test_the_folder_holds_the_data_and_the_dgd_mounts_them(problem, tmp_path):
    recommendation = answer(problem)
    texts = folder_texts(recommendation, problem=problem, options=FolderOptions(top=2))
    write_folder(tmp_path, texts)
    for folder in ("profiling_results", "profiling_results-2"):
        found = {str(path.relative_to(tmp_path / folder)) for path in (tmp_path / folder).rglob("*.*")}
        assert found == FILES
    config, data, dgd = yaml.safe_load_all((tmp_path / "dgd.yaml").read_text())
    assert json.loads(config["data"]["planner_config.json"])["profile_results_dir"] == (
        "/workspace/profiling_results"
    )
    for name in ("prefill_raw_data.json", "decode_raw_data.json"):
        assert data["data"][name].encode() == (tmp_path / "profiling_results" / name).read_bytes()
    planner = next(item for item in dgd["spec"]["components"] if item["type"] == "planner")
    (main,) = planner["podTemplate"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in main["volumeMounts"]}
    assert mounts[data["metadata"]["name"]] == "/workspace/profiling_results"
    volumes = {item["name"]: item["configMap"]["name"] for item in planner["podTemplate"]["spec"]["volumes"]}
    assert volumes == {name: name for name in mounts}


def test_without_a_planner_nothing_is_added(problem):
    recommendation = answer(problem)
    plain = replace(recommendation, request=replace(recommendation.request, deploy=DeployOptions(name="d")))
    assert not any("profil" in name for name in folder_texts(plain, problem=problem))
