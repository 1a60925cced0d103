"""What differs between Dynamo's releases: engines, flags that came or went, what a cluster must have."""

import itertools
import json
import os
from pathlib import Path

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Disaggregated, Pool
from simkit.core.request import DeployOptions, Hardware, Request
from simkit.engines.registry import default_engine, engine_names, engine_spec
from simkit.engines.release_notes import unknown_flags, version_note
from simkit.engines.releases import (
    NEWEST,
    RELEASES,
    release_number,
    release_of,
    unknown_release_note,
)
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.dgd.render import render, render_site
from simkit.formats.dgd.site import Site
from simkit.formats.validate import validate_documents

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "dgd_releases"
MIXTURE = ParallelPlan(attn_dp=8, ep=8)


def disagg(backend, plan=MIXTURE):
    pool = Pool(plan=plan, engine=default_engine(backend, max_num_seqs=64), replicas=2)
    return Disaggregated(prefill=pool, decode=pool)


def request(release, **deploy):
    options = DeployOptions(name="demo", runtime_version_override=f"{release.name}.0", **deploy)
    return Request(model="m", hardware=Hardware(gpu="h200_sxm"), deploy=options)


def worker_lines(backend, release, **deploy):
    """Command lines of both pools and their environment, a flag with its value a line."""
    documents = render(
        disagg(backend), request(release, **deploy), model="org/m", gpus_per_node=8, total_gpus=32
    )
    assert [str(fault) for fault in validate_documents(documents, "rendered")] == []
    for component in documents[-1]["spec"]["components"]:
        if component["type"] in ("prefill", "decode"):
            (main,) = component["podTemplate"]["spec"]["containers"]
            words = [f"\n{word}" if word.startswith("--") else word for word in main["args"]]
            yield from (f"{component['name']} {line}" for line in " ".join(words).strip().split("\n"))
            yield from (f"{component['name']} {item['name']}={item['value']}" for item in main.get("env", []))


CASES = {
    **{backend: {"planner": {"optimization_target": "sla"}} for backend in engine_names()},
    **{f"{backend}-mocker": {"mocker": True} for backend in engine_names()},
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    """The newest release in full, of the others what differs from it."""
    backend = name.partition("-")[0]
    found = {
        release.name: [line.rstrip() for line in worker_lines(backend, release, **CASES[name])]
        for release in RELEASES
    }
    newest = found[NEWEST.name]
    text = f"[{NEWEST.name}]\n" + "".join(f"{line}\n" for line in newest)
    for release in RELEASES[:-1]:
        lines = found[release.name]
        text += f"[{release.name}]\n"
        text += "".join(f"- {line}\n" for line in newest if line not in lines)
        text += "".join(f"+ {line}\n" for line in lines if line not in newest)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("SIMKIT_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"run with SIMKIT_UPDATE_GOLDEN=1 to write {path.name} anew"


def test_every_golden_has_a_case():
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(CASES)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ((None, None), NEWEST.name),
        (("1.5.1", "r/i:1.4.0"), "1.5"),
        ((None, "reg:5000/ai/dynamo-planner:1.4.2"), "1.4"),
        ((None, "r/i:latest"), NEWEST.name),
        (("1.3.1", None), "1.4"),
        (("2.0.0", None), NEWEST.name),
    ],
)
def test_the_release_is_the_one_that_the_image_names(versions, expected):
    assert release_of(*versions).name == expected


def test_a_release_that_nobody_names_has_no_number():
    assert release_number(None, "r/i:latest") is None
    assert release_number("r/i:1.3.1") == (1, 3)


def test_a_release_that_nobody_looked_at_is_told():
    assert unknown_release_note(None, "r/i:1.5.9") is None
    assert unknown_release_note(None, None) is None
    assert "what differs in Dynamo 1.3 is not known, the deployment is written for 1.4" in (
        unknown_release_note(None, "r/i:1.3.1")
    )
    assert "Dynamo 1.8 is not known, the deployment is written for 1.6" in unknown_release_note("1.8.0")


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_every_release_names_every_engine_and_its_own_roles(release):
    assert set(release.engines) == set(engine_names())
    lines = list(worker_lines("vllm", release))
    configs = [json.loads(line.split(" ", 2)[2]) for line in lines if "--kv-transfer-config" in line]
    assert tuple(config["kv_role"] for config in configs) == release.kv_roles


def test_an_image_with_another_engine_than_was_measured_is_pointed_out():
    engine = default_engine("vllm")
    assert "Dynamo 1.6 runs vllm 0.31.0, step times were measured up to 0.24.0" in version_note(
        NEWEST, engine
    )
    same = default_engine("vllm", version="0.31.0")
    assert version_note(NEWEST, same) is None


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
@pytest.mark.parametrize("backend", engine_names())
def test_a_planner_hears_of_every_engines_steps(backend, release):
    """Until 1.6 TensorRT-LLM's workers send metrics with their cache events only."""
    flag = "--publish-kv-events"
    lines = [line for line in worker_lines(backend, release, planner={}) if flag in line]
    expected = backend == "trtllm" and release.number < (1, 6)
    assert lines == ([f"prefill {flag} ", f"decode {flag} "] if expected else [])
    both = list(worker_lines(backend, release, planner={}, kv_router=True))
    assert both.count(f"prefill {flag} ") == (1 if backend == "trtllm" else 0)


# --- mocker ----------------------------------------------------------------------------------------


def mocker_flags(backend, gpu, release=NEWEST, plan=MIXTURE):
    req = Request(model="m", hardware=Hardware(gpu=gpu), deploy=request(release, mocker=True).deploy)
    documents = render(disagg(backend, plan), req, model="org/m", gpus_per_node=8, total_gpus=32)
    (main,) = documents[-1]["spec"]["components"][-1]["podTemplate"]["spec"]["containers"]
    return main["args"], documents


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
@pytest.mark.parametrize("backend", engine_names())
def test_a_mocker_is_timed_as_its_gpu_where_tables_cover_it(backend, release):
    args, documents = mocker_flags(backend, "h200_sxm", release)
    found, flag = dict(itertools.pairwise(args)), release.simulator
    assert found["--engine-type"] == found[f"{flag}-backend"] == backend
    assert (found[f"{flag}-system"], found[f"{flag}-tp-size"]) == ("h200_sxm", "1")
    assert (found[f"{flag}-moe-tp-size"], found[f"{flag}-moe-ep-size"]) == ("1", "8")
    assert not any(name.endswith("backend-version") for name in args)
    read = parse_dgd(documents, source="rendered").deployment
    assert (read.decode.plan, read.backend) == (MIXTURE, backend)
    assert not any(name.startswith(flag) for name in mocker_flags(backend, "t4", release)[0])


def test_a_dense_mocker_names_no_experts():
    args, _ = mocker_flags("vllm", "h200_sxm", plan=ParallelPlan(tp=2))
    assert not any("moe" in name for name in args)


def test_a_mocker_holds_the_cache_of_the_engine_that_it_imitates():
    site = Site(
        deployment=disagg("sglang"),
        request=request(NEWEST, mocker=True),
        model="m",
        gpus_per_node=8,
        rank_kv_tokens={"prefill": 700_001, "decode": 300_000},
    )
    blocks = {}
    for component in render_site(site)[-1]["spec"]["components"][1:]:
        args = component["podTemplate"]["spec"]["containers"][0]["args"]
        blocks[component["name"]] = dict(itertools.pairwise(args))["--num-gpu-blocks-override"]
    assert blocks == {"prefill": "700001", "decode": "300000"}


# --- flags that came or went -----------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
@pytest.mark.parametrize("backend", engine_names())
def test_what_is_written_first_is_known_to_every_release(backend, release):
    table = engine_spec(backend).flags
    names = [value[0] for field in table.__dataclass_fields__ if (value := getattr(table, field))]
    written = [name for name in names if isinstance(name, str) and name.startswith("--")]
    assert unknown_flags(backend, written, release.number) == []


@pytest.mark.parametrize(
    ("engine", "flag", "known", "instead"),
    [
        ("vllm", "--is-prefill-worker", (False, False, False), "--disaggregation-mode prefill"),
        ("vllm", "--max-num-partial-prefills", (True, False, False), ""),
        ("sglang", "--cuda-graph-bs", (True, True, False), "--cuda-graph-bs-decode"),
        ("trtllm", "--publish-events-and-metrics", (True, True, False), "--publish-kv-events"),
        ("dynamo.mocker", "--ais-system", (False, False, True), "--aic-system"),
    ],
)
def test_each_release_knows_its_own_flags(engine, flag, known, instead):
    found = [unknown_flags(engine, [flag], release.number) for release in RELEASES]
    assert tuple(not spans for spans in found) == known
    assert all(span.instead.startswith(instead) for spans in found for span in spans)


def test_a_release_before_the_oldest_keeps_what_went_later():
    assert unknown_flags("vllm", ["--is-prefill-worker"], (1, 3)) == []
