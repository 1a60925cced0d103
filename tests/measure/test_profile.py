"""The whole lifecycle: phases, candidates passed over, budgets, failures, resuming, what is written.

A server with planted latencies stands in for every deployment; only the last test starts engines.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from live import DYNAMO_AT, needs_dynamo
from openai_server import openai_server

from simkit.compare.measurement_plan import layout_name
from simkit.core.errors import ExternalError, InputError
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.user_calibration import read_own
from simkit.measure import targets
from simkit.measure.profile import ProfileSettings, profile
from simkit.measure.profile_files import write_profile
from simkit.measure.run import Meter, Server
from simkit.measure.targets import Target, target_names, target_of
from simkit.measure.trials import Budget, one_server

pytestmark = pytest.mark.server

LOAD = Workload(isl_tokens=64, osl_tokens=8, concurrency=2)
METER = Meter(client="builtin", options=BenchmarkOptions(request_count=8, warmup_count=2), stall_s=0.5)
REQUEST = Request(
    model="Qwen/Qwen3-0.6B", backend="vllm", search_strategy="thorough", workload=LOAD,
    hardware=Hardware(gpu="h100_sxm", total_gpus=4), slo=Slo(ttft_s=5.0, itl_s=5.0),
)  # fmt: skip
LATENCY = replace(REQUEST, optimization="latency", slo=Slo(), hardware=Hardware(gpu="h100_sxm", total_gpus=8))
RAPID = replace(REQUEST, search_strategy="rapid")


class Deployer:
    """Deploys by handing out one server; counts, and fails where told to."""

    def __init__(self, url, fails=()):
        self.url, self.fails, self.names = url, set(fails), []

    @contextmanager
    def __call__(self, candidate, folder):
        self.names.append(folder.name)
        if folder.name in self.fails or "*" in self.fails:
            raise ExternalError(f"{folder.name} ran out of memory")
        yield Server(url=self.url, model="tiny")


@pytest.fixture
def server():
    with openai_server(ttft_s=0.01, itl_s=0.001) as (url, state):
        yield url, state


def settings(folder, deploy, **more):
    place = Target(about="planted", start=lambda problem, candidate, at: deploy(candidate, at))
    return ProfileSettings(folder=folder, meter=METER, target=place, **more)


def run(request, found, said=None):
    return profile(request, found, (said if said is not None else []).append)


def phase(folder):
    return json.loads((folder / "profile.json").read_text())["phase"]


@pytest.mark.slow
def test_thorough_measures_engines_and_candidates_and_ends_with_a_measured_one(tmp_path):
    said = []
    with openai_server(ttft_s=0.06, itl_s=0.004) as (url, _):  # slower than predicted: all may still win
        deploy = Deployer(url)
        outcome = run(LATENCY, settings(tmp_path, deploy), said)
    assert outcome.phase == "Deployed"
    kinds = {result.trial.kind for result in (*outcome.engines, *outcome.wholes)}
    assert kinds == {"prefill", "decode", "whole"}
    modes = {result.trial.candidate.deployment.mode for result in outcome.wholes}
    assert modes == {"agg", "disagg"}
    assert len(outcome.wholes) >= 6  # measured, or passed over with a reason
    assert all(result.run or result.skipped for result in outcome.wholes)
    names = [layout_name(item.deployment) for item in outcome.final.candidates]
    assert names[0] in deploy.names  # what is recommended was measured
    assert len(names) == len(set(names))
    written = write_profile(outcome, tmp_path, "simkit profile")
    dgd = list(yaml.safe_load_all((tmp_path / "dgd.yaml").read_text()))[-1]
    assert float(dgd["metadata"]["annotations"]["simkit.io/measured-itl-ms"]) >= 1.0
    assert {"profile_report.html", "comparison.json", "own_calibration.json"} <= {p.name for p in written}
    assert read_run(tmp_path) == outcome.run
    assert len(read_own(tmp_path / "own_calibration.json").observations) >= 1
    assert any(line.startswith("measured") for line in said)


def test_what_cannot_win_is_not_deployed_and_the_saving_is_said(tmp_path, server):
    """One GPU is measured to be enough: whatever takes more need not be tried."""
    deploy = Deployer(server[0])
    outcome = run(REQUEST, settings(tmp_path, deploy))
    assert outcome.final.selected.deployment.num_gpus == 1
    skipped = [result for result in outcome.wholes if result.skipped]
    assert skipped
    assert all("GPUs" in result.skipped for result in skipped)
    assert not {result.trial.name for result in skipped} & set(deploy.names)
    assert f"{len(skipped)} of {len(outcome.wholes)} candidates were not deployed" in outcome.savings[0]


def test_a_second_call_measures_nothing_twice(tmp_path, server):
    first = run(REQUEST, settings(tmp_path, Deployer(server[0])))
    sent = len(server[1].seen)
    again = Deployer(server[0])
    second = run(REQUEST, settings(tmp_path, again))
    assert again.names == []
    assert len(server[1].seen) == sent
    assert (second.measured, second.resumed) == (0, first.measured)
    assert second.run == first.run
    assert second.final.candidates == first.final.candidates


def test_another_question_in_the_same_folder_is_refused(tmp_path, server):
    run(RAPID, settings(tmp_path, Deployer(server[0])))
    other = replace(RAPID, workload=replace(LOAD, osl_tokens=9))
    with pytest.raises(InputError, match="request differs"):
        run(other, settings(tmp_path, Deployer(server[0])))


def test_a_failing_candidate_is_passed_over_with_its_reason_and_can_be_tried_again(tmp_path, server):
    first = run(REQUEST, settings(tmp_path / "a", Deployer(server[0])))
    best = first.wholes[0].trial.name
    outcome = run(REQUEST, settings(tmp_path / "b", Deployer(server[0], fails=[best])))
    failed = next(result for result in outcome.wholes if result.trial.name == best)
    assert "ran out of memory" in failed.failures["load"]
    assert layout_name(outcome.final.selected.deployment) != best
    kept = Deployer(server[0])
    assert run(REQUEST, settings(tmp_path / "b", kept)).measured == 0
    tried = run(REQUEST, settings(tmp_path / "b", kept, retry_failed=True))
    assert kept.names == [best]
    assert layout_name(tried.final.selected.deployment) == best


def test_when_everything_fails_it_says_why(tmp_path, server):
    with pytest.raises(ExternalError, match=r"nothing could be measured: .*ran out of memory"):
        run(REQUEST, settings(tmp_path, Deployer(server[0], fails=["*"])))


def test_requests_that_fail_are_named_too(tmp_path):
    with (
        openai_server(fault="500") as (url, _),
        pytest.raises(ExternalError, match="HTTP 500"),
    ):
        run(RAPID, settings(tmp_path, Deployer(url)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"points": 1}, "budget of 1 point"),
        ({"seconds": 1e-9}, "budget of 1e-09 s"),
        ({"gpus": 2}, "the budget is 2"),
    ],
)
def test_budgets_end_it_early(tmp_path, budget, said):
    request = replace(REQUEST, optimization="latency", slo=Slo())
    with openai_server(ttft_s=0.06, itl_s=0.004) as (url, _):  # slower than predicted: all may still win
        outcome = run(request, settings(tmp_path, Deployer(url), budget=Budget(**budget)))
    assert outcome.phase == ("Ready" if "seconds" in budget else "Deployed")
    reasons = [result.skipped for result in (*outcome.engines, *outcome.wholes)]
    assert any(said in reason for reason in reasons)
    assert outcome.measured <= budget.get("points", 99)


def test_budgets_must_be_positive():
    with pytest.raises(InputError, match="budget of points"):
        Budget(points=0)


def test_rapid_measures_the_selected_one_alone(tmp_path, server):
    deploy = Deployer(server[0])
    outcome = run(RAPID, settings(tmp_path, deploy))
    assert deploy.names == [layout_name(outcome.first.selected.deployment)]
    assert phase(tmp_path) == "SelectingConfig"  # nothing is written yet
    assert outcome.engines == ()
    assert outcome.comparison is not None
    assert "stays" in outcome.changed[0]


def test_review_waits_for_a_person(tmp_path, server):
    deploy = Deployer(server[0])
    review = replace(RAPID, auto_apply=False)
    outcome = run(review, settings(tmp_path, deploy))
    assert (outcome.phase, outcome.run, deploy.names) == ("Ready", None, [])
    write_profile(outcome, tmp_path, "simkit profile")
    assert phase(tmp_path) == "Done"
    assert (tmp_path / "dgd.yaml").is_file()
    assert not (tmp_path / "comparison.json").exists()
    applied = run(review, settings(tmp_path, deploy, apply=True))
    assert applied.phase == "Deployed"


def test_a_url_is_one_deployment(tmp_path, server):
    place = Server(url=server[0], model="tiny")
    with pytest.raises(InputError, match="a URL is one deployment"):
        run(REQUEST, ProfileSettings(folder=tmp_path, meter=METER, server=place))
    outcome = run(RAPID, ProfileSettings(folder=tmp_path, meter=METER, server=place))
    assert outcome.phase == "Deployed"
    with one_server(place)(outcome.problem, outcome.final.selected, tmp_path) as found:
        assert found is place


def test_measuring_moves_the_prediction_and_narrows_it(tmp_path, server):
    outcome = run(RAPID, settings(tmp_path, Deployer(server[0])))
    before, after = outcome.first.selected.estimate.itl, outcome.final.selected.estimate.itl
    measured = outcome.run.itl.mean_s
    assert abs(after.mean_s - measured) < abs(before.mean_s - measured)
    assert after.hi_s / after.lo_s < before.hi_s / before.lo_s


# --- killed in the middle -----------------------------------------------------------------------------

RESUMED = """
import sys
sys.path[:0] = [{tests!r}, {fakes!r}]
import test_profile as t
t.run(t.REQUEST_MANY, t.settings(t.Path({folder!r}), t.Deployer({url!r})))
"""
REQUEST_MANY = replace(REQUEST, slo=Slo())


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_from_the_last_point(tmp_path, server):
    url, _ = server
    here = Path(__file__).resolve().parent
    code = RESUMED.format(
        tests=str(here), fakes=str(here.parent / "fakes"), folder=str(tmp_path / "killed"), url=url
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    done = tmp_path / "killed" / "measured"
    deadline = time.monotonic() + 60
    while len(list(done.glob("*/*.json"))) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    kept = {path: path.read_text() for path in done.glob("*/*.json")}
    assert kept
    outcome = run(REQUEST_MANY, settings(tmp_path / "killed", Deployer(url)))
    assert outcome.resumed >= len(kept)
    assert all(path.read_text() == text for path, text in kept.items())
    run(REQUEST_MANY, settings(tmp_path / "whole", Deployer(url)))
    points = {
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "measured").rglob("*.json")
    }
    resumed = {path.relative_to(tmp_path / "killed") for path in done.rglob("*.json")}
    assert resumed == points
    assert not list((tmp_path / "killed").rglob(".*"))  # nothing half-written


# --- real engines' stand-ins ----------------------------------------------------------------------------


@needs_dynamo
@pytest.mark.slow
def test_a_thorough_profile_on_mocked_engines_killed_and_resumed(tmp_path):
    """As a user runs it: SIGKILL in the middle, orphans cleared, resumed, nothing measured twice."""
    cache = tmp_path / "cache"
    env = {**os.environ, "SIMKIT_CACHE": str(cache), "SIMKIT_DYNAMO": str(DYNAMO_AT)}
    words = [
        sys.executable, "-m", "simkit", "profile", "--model", "Qwen/Qwen3-8B", "--backend", "vllm",
        "--gpu", "h100_sxm", "--total-gpus", "4", "--isl", "128", "--osl", "16", "--concurrency", "4",
        "--ttft", "900", "--itl", "5", "--search-strategy", "thorough", "--client", "builtin",
        "--requests", "16", "--max-error", "ttft=9", "--max-error", "itl=9", "--max-error", "e2e=9",
        "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    child = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in child.stderr:
        if line.startswith("measured"):
            break
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert list((cache / "running").glob("*.json"))  # its engines still run
    done = tmp_path / "out" / "measured"
    kept = {path: path.read_text() for path in done.glob("*/*.json")}
    second = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert second.returncode in (0, 1), second.stderr
    assert "resuming" in second.stderr
    assert all(path.read_text() == text for path, text in kept.items())
    summary = json.loads((tmp_path / "out" / "profile_summary.json").read_text())
    assert len(summary["candidates"]) >= 6
    assert summary["phase"] == "Deployed"
    assert summary["points_resumed"] >= len(kept)
    assert (tmp_path / "out" / "dgd.yaml").is_file()
    assert not (tmp_path / "out" / "own_calibration.json").exists()  # mocked engines say nothing of GPUs
    assert list((cache / "running").glob("*")) == []


TOY = """
from contextlib import contextmanager
from simkit.measure.run import Server
from simkit.measure.targets import Target, target_names, target_of

@contextmanager
def start(problem, candidate, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brought_up").write_text(candidate.deployment.backend)
    yield Server(url="URL", model="tiny")

TARGET = Target(about="a toy", start=start, real_engines=REAL)
"""


@pytest.mark.parametrize("real", [True, False])
def test_a_target_is_one_module_and_mocked_engines_correct_nothing(tmp_path, monkeypatch, server, real):
    place = f"toy_{real}".lower()
    (tmp_path / f"{place}.py").write_text(TOY.replace("URL", server[0]).replace("REAL", str(real)))
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(tmp_path)])
    assert place in target_names()
    found = ProfileSettings(folder=tmp_path / "out", meter=METER, target=place, apply=True)
    outcome = run(RAPID, found)
    assert list((tmp_path / "out").rglob("brought_up"))
    assert (outcome.phase, outcome.measured) == ("Deployed", 1)
    assert (outcome.own is not None) is real
    moved = outcome.final.selected.estimate.ttft != outcome.first.selected.estimate.ttft
    assert moved is real


def test_a_target_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="local"):
        target_of("moon")
