"""Bounds as a newcomer asks for them: one alone, with a statistic of its own, none at all, in seconds."""

import csv
import json

import pytest

MODEL = ("--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm")
LENGTHS = ("--isl", "2000", "--osl", "200")
RECOMMEND = ("recommend", *MODEL, "--total-gpus", "2", "--backend", "vllm", *LENGTHS)
ESTIMATE = ("estimate", *MODEL, *LENGTHS, "--request-rate", "3")
SIMULATE = ("simulate", *MODEL, *LENGTHS, "--request-rate", "3", "--requests", "200")
JSON = ("--format", "json")
VERBS = pytest.mark.parametrize("verb", [RECOMMEND, ESTIMATE, SIMULATE], ids=lambda words: words[0])
MS = {"--ttft": "ttft_ms", "--itl": "itl_ms"}


def asked(simkit, *words):
    found = simkit(*words, *JSON)
    assert found.status in (0, 1), found.err
    return found.status, json.loads(found.out)


@pytest.mark.parametrize(("flag", "other"), [("--ttft", "itl_ms"), ("--itl", "ttft_ms")])
def test_one_bound_alone_is_a_full_question(simkit, tmp_path, flag, other):
    status, document = asked(simkit, *RECOMMEND, flag, "500", "-o", tmp_path)
    assert status == 0
    assert document["meets_sla"] is True
    assert document["request"]["sla"][other] is None
    assert document["request"]["sla_statistics"] == {MS[flag]: "mean"}
    assert document["selected"][MS[flag]]["mean"] <= 500
    assert "simkit.io/meets-sla: 'true'" in (tmp_path / "dgd.yaml").read_text()
    assert f"{flag} 500 " in (tmp_path / "report.md").read_text()


def test_what_is_not_bounded_is_free(simkit):
    """More throughput than with both bounds, at an ITL that the other question refuses."""
    free, both = (
        asked(simkit, *RECOMMEND, "--ttft", "3000", *more)[1]["selected"] for more in ((), ("--itl", "8"))
    )
    assert both["itl_ms"]["mean"] <= 8 < free["itl_ms"]["mean"]
    assert free["output_tokens_per_s"] > both["output_tokens_per_s"]


def test_a_bound_alone_replaces_what_a_file_says_the_other_way(simkit, tmp_path):
    path = tmp_path / "request.yaml"
    spec = "model: Qwen/Qwen3-8B, backend: vllm, hardware: {gpuSku: h100_sxm, totalGpus: 2}"
    head = "apiVersion: nvidia.com/v1beta1\nkind: DynamoGraphDeploymentRequest\nmetadata: {name: a}\n"
    path.write_text(f"{head}spec: {{{spec}, sla: {{e2eLatency: 60000}}}}\n")
    _, document = asked(simkit, "recommend", path, "--ttft", "800")
    assert document["request"]["sla"] == {"ttft_ms": 800, "itl_ms": None, "e2e_ms": None}
    path.write_text(f"{head}spec: {{{spec}, sla: {{ttft: 800}}}}\n")
    alone = simkit("recommend", path)
    assert alone.status == 2
    assert "Dynamo takes them as a pair" in alone.err


def test_no_profiling_job_is_written_for_half_a_pair(simkit, tmp_path):
    found = simkit(*RECOMMEND, "--ttft", "500", "--with-profiling-job", "-o", tmp_path / "out")
    assert found.status == 2
    assert "add --ttft or --itl" in found.err


def test_each_bound_has_its_own_statistic(simkit):
    """A bound on TTFT between mean and p95 and one on ITL just above its mean: every verdict differs."""
    free = asked(simkit, *ESTIMATE)[1]["ttft_ms"]
    between = f"{0.5 * (free['mean'] + free['p95']):.6g}"
    assert free["mean"] < float(between) < free["p95"]
    wide = ("--itl", "p50:900")
    assert asked(simkit, *ESTIMATE, "--ttft", f"mean:{between}", *wide)[0] == 0
    status, document = asked(simkit, *ESTIMATE, "--ttft", f"p95:{between}", *wide)
    assert status == 1
    assert document["sla"]["statistics"] == {"ttft_ms": "p95", "itl_ms": "p50"}
    assert document["sla"]["missed"] == {"ttft_ms": free["p95"]}
    shown = " ".join(simkit(*ESTIMATE, "--ttft", f"p95:{between}", *wide).out.split())
    assert "SLA TTFT p95" in shown
    assert ": missed), ITL p50" in shown
    assert asked(simkit, *ESTIMATE, "--ttft", between, *wide, "--sla-statistic", "p95")[0] == 1
    assert asked(simkit, *ESTIMATE, "--ttft", f"mean:{between}", *wide, "--sla-statistic", "p95")[0] == 0


def test_a_simulation_judges_each_bound_by_its_own_statistic(simkit):
    free = asked(simkit, *SIMULATE)[1]["time_to_first_token"]
    between = f"{0.5 * (free['avg'] + free['p95']):.6g}"
    status, document = asked(simkit, *SIMULATE, "--ttft", f"p95:{between}", "--itl", "900")
    assert status == 1
    sla = document["simkit"]["sla"]
    assert sla["statistics"] == {"ttft_ms": "p95", "itl_ms": "mean"}
    assert sla["missed"] == {"ttft_ms": free["p95"]}
    assert asked(simkit, *SIMULATE, "--ttft", f"mean:{between}", "--sla-statistic", "max")[0] == 0
    shown = simkit(*SIMULATE, "--ttft", f"p95:{between}", "--itl", "900").out
    assert "MISSES the SLA (TTFT p95, ITL mean)" in shown


def test_a_recommendation_remembers_the_statistic_of_each_bound(simkit, tmp_path):
    _, document = asked(simkit, *RECOMMEND, "--ttft", "p95:900", "--itl", "20", "-o", tmp_path)
    assert document["request"]["sla_statistics"] == {"ttft_ms": "p95", "itl_ms": "mean"}
    assert set(document["selected"]["ttft_ms"]) == {"mean", "p50", "p75", "p90", "p95", "p99", "lo", "hi"}
    assert document["selected"]["ttft_ms"]["p95"] <= 900
    assert "--ttft p95:900 --itl 20 " in (tmp_path / "report.md").read_text()


@VERBS
def test_without_a_bound_nothing_is_judged(simkit, verb):
    """Exit 0, though a default of Dynamo's profiler is missed, and a sentence that compares."""
    crowd = {"recommend": ("--concurrency", "1500"), "estimate": ("--osl", "900", "--request-rate", "4")}
    found = simkit(*verb, *crowd.get(verb[0], ()))
    assert found.status == 0
    text = " ".join(found.out.split())
    assert "No SLA was asked for, so nothing is judged" in text
    assert "2,000 ms" in text
    assert "MISSES" not in text
    assert "P(SLA)" not in text or verb is RECOMMEND  # a column of dashes
    assert verb is not RECOMMEND or "above" in text


def test_a_deployment_without_a_bound_has_no_verdict(simkit, tmp_path):
    _, document = asked(simkit, *RECOMMEND, "-o", tmp_path)
    assert document["meets_sla"] is True
    assert document["request"]["sla_assumed"] is True
    assert document["selected"]["sla_probability"] is None
    assert "meets-sla" not in (tmp_path / "dgd.yaml").read_text()
    assert "--ttft" not in (tmp_path / "report.md").read_text()


@VERBS
@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("--ttft", "0.5"), "--ttft 0.5 ms looks like seconds; write 500 for 0.5 s"),
        (("--ttft", "p95:2"), "--ttft 2 ms looks like seconds; write 2000 for 2 s"),
        (("--itl", "0.03"), "--itl 0.03 ms looks like seconds; write 30 for 0.03 s"),
        (("--e2e-latency", "2"), "--e2e-latency 2 ms looks like seconds; write 2000 for 2 s"),
        (("--set", "sla.ttft=0.5", "--set", "sla.itl=30"), "spec.sla.ttft: 0.5 ms looks like seconds"),
        (("--ttft", "1s"), "--ttft '1s': expected milliseconds such as 1000"),
        (("--ttft", "p98:500"), "expected one of mean, p50, p75, p90, p95, p99"),
        (("--ttft", "-5"), "positive"),
        (("--ttft", "nan"), "positive"),
    ],
)
def test_a_bound_that_cannot_be_meant_is_questioned(simkit, verb, words, mentions):
    found = simkit(*verb, *words)
    assert found.status == 2
    assert mentions in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""


def test_measured_columns_in_seconds_are_questioned(simkit, tmp_path, runs_csv):
    with runs_csv.open() as stream:
        rows = list(csv.DictReader(stream))[:3]
    meant = 1e3 * float(f"{float(rows[1]['ttft_ms_mean']) / 1e3:.3g}")
    rows[1]["ttft_ms_mean"] = f"{meant / 1e3:g}"
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for words in (("evaluate", path), ("fit", "--own", path, "-o", tmp_path / "own.json")):
        found = simkit(*words)
        assert found.status == 2
        assert f"column ttft_ms_mean, row 2: {meant / 1e3:g} ms looks like seconds" in found.err
        assert f"write {meant:g}" in found.err
    assert not (tmp_path / "own.json").exists()


def test_no_measured_run_comes_near_what_is_questioned(runs_csv):
    from simkit.core.milliseconds import least_ms

    with runs_csv.open() as stream:
        for row in csv.DictReader(stream):
            osl = float(row["osl_tokens"])
            ttft, itl = float(row["ttft_ms_mean"]), float(row["itl_ms_mean"])
            assert ttft > 4 * least_ms("ttft", osl)
            assert itl > 4 * least_ms("itl", osl)
            assert ttft + itl * (osl - 1) > 4 * least_ms("e2e", osl)


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ((*RECOMMEND, "--ttft", "0.5"), 2, "InputError"),
        ((*ESTIMATE, "--worker", "9xtp9"), 2, "InputError"),
        ((*SIMULATE, "--no-such-flag"), 2, "UsageError"),
        (
            ("recommend", "--model", "Qwen/Qwen3-32B", "--gpu", "l4", "--total-gpus", "1"),
            2,
            "InfeasibleError",
        ),
        (("predict", "absent.csv", "-o", "out.csv"), 2, "InputError"),
        (("evaluate", "absent.csv"), 2, "InputError"),
        (("validate", "absent.yaml"), 2, "InputError"),
        (("support", "--gpu", "h2000"), 2, "UnknownNameError"),
        (("compare", "absent-a", "absent-b"), 2, "InputError"),
        (("doctor", "absent", "absent"), 2, "InputError"),
        (("recomend",), 2, "UnknownNameError"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
@pytest.mark.parametrize("form", [JSON, ("--format=json",)], ids=["apart", "joined"])
def test_an_error_is_json_where_json_was_asked_for(simkit, words, code, kind, form):
    found = simkit(*words, *form)
    assert found.status == code
    error = json.loads(found.out)["error"]
    assert error["exit_code"] == code
    assert error["kind"] == kind
    assert found.err == f"simkit: {error['message']}\n"
    plain = simkit(*words)
    assert plain.out == ""
    assert plain.err == found.err
