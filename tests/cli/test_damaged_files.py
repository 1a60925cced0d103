"""Files that come back damaged: one line that says what, where and what to do; no library's warning."""

import copy
import csv
import json
import math
import shutil
import warnings
from pathlib import Path

import pytest
from result_samples import aiperf_export, record, records_text

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.core.user_calibration import Observation, OwnCalibration
from simkit.formats.benchmark_results.reader import read_runs
from simkit.formats.benchmark_results.stored import run_document
from simkit.formats.profile_store import ProfileStore
from simkit.formats.user_calibration import read_own, write_own

ASKED = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--isl", "500", "--osl", "50", "--concurrency", "4")
FEATURES = (32.0, 8192.0, 1024.0, 0.9, 0.02, 2.0, 1.0)
OWN = OwnCalibration(
    observations=(
        Observation(
            features=FEATURES, log_ratios={"ttft": 0.1, "itl": 0.2}, doubts={"ttft": 0.3, "itl": 0.2}
        ),
    )
)
RUN = Run(
    source=Source(tool="aiperf", path="x"), isl_tokens=100, osl_tokens=10, concurrency=4, num_requests=8,
    ttft=MeasuredSpread(mean_s=0.1), itl=MeasuredSpread(mean_s=0.01),
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """A folder of recommend."""
    from simkit.cli.main import app

    folder = tmp_path_factory.mktemp("answer") / "out"
    app(["recommend", *ASKED, "--total-gpus", "2", "-o", str(folder), "--quiet"], standalone_mode=False)
    return folder


def changed(document, path, value):
    found = copy.deepcopy(document)
    *inner, last = path.split(".")
    place = found
    for key in inner:
        place = place[int(key) if key.isdecimal() else key]
    if value is KeyError:
        del place[last]
    else:
        place[int(last) if last.isdecimal() else last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("observations.0.features.0", -1.0, r"observations\[0\].features\[0\]: must be above 0"),
        ("observations.0.features.3", [1], "expected a number, got a list"),
        ("observations.0.features", FEATURES[:3], "features"),
        ("observations.0.log_ratios", 3, "log_ratios: expected a mapping, got 3"),
        ("observations.0.log_ratios", {}, "log_ratios"),
        ("observations.0.log_ratios.ttft", 1e300, "log_ratios.ttft: must be below 30"),
        ("observations.0.log_ratios.ttft", "0.1", "expected a number, got '0.1'"),
        ("observations.0.doubts", {"ttft": 0.1}, "a log ratio without its doubt"),
        ("observations.0.doubts.itl", 0, "must be above 0"),
        ("observations", 7.0, "observations: expected a list, got 7.0"),
        ("observations.0.extra", 1, "unknown key"),
        ("observations", KeyError, "observations: required but missing"),
    ],
)
def test_a_damaged_calibration_says_which_field(tmp_path, path, value, told):
    write_own(tmp_path / "own.json", OWN)
    assert read_own(tmp_path / "own.json") == OWN
    document = json.loads((tmp_path / "own.json").read_text())
    (tmp_path / "own.json").write_text(json.dumps(changed(document, path, value)))
    with pytest.raises(InputError, match=told) as found:
        read_own(tmp_path / "own.json")
    assert str(found.value).endswith("; fit it again")


def test_a_calibration_is_its_owners_alone_and_bounded(tmp_path):
    write_own(tmp_path / "own.json", OWN)
    assert (tmp_path / "own.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="more than 4,000; keep those of your own cluster"):
        from simkit.core.user_calibration import calibration_of

        calibration_of(OWN.observations * 4001)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("osl_off_frac", "0.1", "osl_off_frac: expected a number, got '0.1'"),
        ("server", {"kv_usage_frac": "0.5"}, "server.kv_usage_frac: expected a number"),
        ("request_rate_per_s", {}, "request_rate_per_s: expected a number"),
        ("ttft.mean_s", [0.1], "ttft.mean_s: expected a number"),
        ("ttft.mean_s", -0.1, "ttft.mean_s must be from 0 to 1e"),
        ("itl.p99_s", math.nan, "itl.p99_s must be from 0 to 1e|holds nan"),
        ("num_requests", -3, "negative request counts"),
        ("isl_tokens", 0, "isl_tokens must be positive"),
        ("ttft.means_s", 1, "unknown field 'ttft.means_s'"),
        ("source", KeyError, "source: required but missing"),
        ("version", 9, "expected a stored run of version 1"),
    ],
)
def test_a_damaged_run_says_which_field(tmp_path, path, value, told):
    place = tmp_path / "measured" / "a" / "b.json"
    store = ProfileStore(tmp_path)
    store.put("a", "b", RUN)
    assert store.get("a", "b") == RUN
    place.write_text(json.dumps(changed(run_document(RUN), path, value)))
    with pytest.raises(InputError, match=told):
        read_runs(place)
    with pytest.raises(InputError, match=told):
        store.get("a", "b")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"kind": "simkit.failure", "reason": 3}', "\x00", "[" * 999]
)
def test_a_damaged_point_is_to_be_deleted(tmp_path, text):
    store = ProfileStore(tmp_path)
    store.put("a", "b", RUN)
    (tmp_path / "measured" / "a" / "b.json").write_text(text)
    with pytest.raises(InputError, match=r"b\.json.*; delete it and resume$"):
        store.get("a", "b")


@pytest.mark.parametrize("value", [1e300, -5.0])
def test_a_time_that_no_request_takes_is_told_by_its_line(tmp_path, value):
    lines = [record(1), record(2)]
    lines[1]["metrics"]["time_to_first_token"]["value"] = value
    (tmp_path / "profile_export.jsonl").write_text(records_text(lines))
    with pytest.raises(InputError, match=r"jsonl:2: ttft_s must be from 0 to 1e\+11.*drop that line"):
        read_runs(tmp_path / "profile_export.jsonl")


@pytest.mark.parametrize("value", [10**400, "x", None, [], {"avg": 10**400}])
def test_a_figure_of_a_tool_may_be_anything(tmp_path, value):
    (tmp_path / "a.json").write_text(json.dumps(aiperf_export(request_count=value)))
    with pytest.raises(InputError, match=r"a\.json: "):
        read_runs(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request.model", KeyError),
        ("request", "x"),
        ("request.workload.isl_tokens", "many"),
        ("selected.ttft_ms", KeyError),
        ("selected.ttft_ms.mean", {}),
        ("selected.output_tokens_per_s", "12"),
        ("selected.plan.tp", 0),
        ("selected.plan.odd", 1),
        ("selected.engine.speculative", {"method": 1}),
        ("selected.backend", "other"),
        ("selected.mode", "disagg"),
        ("candidates.0.bottleneck", 3),
        ("fronts.0.points.0.layout", None),
        ("remarks", "text"),
    ],
)
def test_a_damaged_recommendation_is_one_line_to_every_verb(tmp_path, simkit, answer, path, value):
    folder = tmp_path / "rec"
    shutil.copytree(answer, folder)
    file = folder / "recommendation.json"
    file.write_text(json.dumps(changed(json.loads(file.read_text()), path, value)))
    for words in (("report", folder, "-o", tmp_path / "r"), ("compare", file, answer)):
        done = simkit(*words)
        assert done.status == 2, words
        assert done.err.startswith(f"simkit: {file}: not a recommendation.json (")
        assert done.err.endswith("; write one with simkit recommend -o DIR\n")
        assert done.err.count("\n") == 1


TABLE = {
    "run_id": "a", "model": "Qwen/Qwen3-8B", "gpu": "h200_sxm", "backend": "vllm", "isl_tokens": 500,
    "osl_tokens": 50, "concurrency": 4, "tp": 1, "ttft_ms_mean": 60.0, "itl_ms_mean": 6.0,
}  # fmt: skip


def table(path, **changes):
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(TABLE))
        writer.writeheader()
        writer.writerows([TABLE, {**TABLE, "run_id": "b", **changes}])
    return path


@pytest.mark.parametrize("value", ["auto", " ", "1e300", "inf", "-1", "0", "1.5"])
@pytest.mark.parametrize("column", ["tp", "concurrency", "isl_tokens"])
def test_a_cell_that_is_no_size_is_told_in_its_row(tmp_path, simkit, column, value):
    path = table(tmp_path / "runs.csv", **{column: value})
    for words in (
        ("predict", path, "-o", tmp_path / "o.csv"),
        ("evaluate", path),
        ("fit", "--own", path, "-o", tmp_path / "own.json"),
    ):
        assert simkit(*words).status == 0, words
    with (tmp_path / "o.csv").open(newline="") as file:
        good, bad = csv.DictReader(file)
    assert good["predicted_ttft_ms_mean"]
    usable = column != "tp" and value == "1.5"
    assert bool(bad["error"]) != usable
    assert len(read_own(tmp_path / "own.json").observations) == 1 + usable


@pytest.mark.parametrize("value", ["abc", "inf", "1e300"])
def test_a_measured_cell_that_is_no_number_is_refused(tmp_path, simkit, value):
    path = table(tmp_path / "runs.csv", ttft_ms_mean=value)
    for words in (
        ("evaluate", path),
        ("fit", "--own", path, "-o", tmp_path / "own.json"),
        ("report", path, "-o", tmp_path / "r"),
    ):
        done = simkit(*words)
        assert done.status == 2
        assert "column ttft_ms_mean, row 2: expected milliseconds, got " in done.err
        assert done.err.count("\n") == 1
